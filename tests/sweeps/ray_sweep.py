"""A sweep on a Ray cluster of this machine, one worker of which is killed in mid-run.

    python ray_sweep.py FOLDER

A script of its own, since Ray, and the network namespace of the test, are a whole process's.
"""

import json
import os
import signal
import sys
import tempfile
from pathlib import Path

from grokscope.sweeps import Sweep, run_sweep

SWEEP = Sweep(
    name="small",
    recipe="quick",
    set={"task.p": 5, "model.width": 6, "stop": "never", "checkpoint.every": 500},
    list=(*({"seed": seed, "steps": 60} for seed in range(3)), {"seed": 3, "steps": 2500}),
)
DOOMED = "s3_steps2500"
"""The member whose worker is killed, long enough to be so in mid-run."""


def main(folder: Path) -> None:
    """Train, kill, and write what was heard and what is left over."""
    heard: list[list[str]] = []

    def told(news: object) -> None:
        again = any(state == "again" for _, state, _ in heard)
        heard.append([news.name, news.state, news.reason])
        if news.name == DOOMED and news.state == "running" and not again:
            owner = json.loads((folder / SWEEP.name / DOOMED / ".owner").read_text())
            os.kill(owner["pid"], signal.SIGKILL)

    before = signal.getsignal(signal.SIGTERM)
    files = {*os.listdir(tempfile.gettempdir())}
    run_sweep(SWEEP, out=folder, workers=2, executor="ray", told=told)
    facts = {
        "heard": heard,
        "same handler": signal.getsignal(signal.SIGTERM) == before,
        "settings": [name for name in os.environ if name.startswith(("RAY_AUTH", "RAY_USAGE"))],
        "left": [name for name in {*os.listdir(tempfile.gettempdir())} - files if "ray" in name],
    }
    (folder / "facts.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
