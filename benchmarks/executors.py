"""One sweep of 24 members through each executor of this machine: the same bits, and the seconds.

python benchmarks/executors.py            # local, ray and every member alone
"""

import hashlib
import sys
import tempfile
import time
from pathlib import Path

import grokscope
from grokscope.sweeps import Sweep, members, run_sweep

SWEEP = Sweep(
    name="members",
    recipe="quick",
    set={"steps": 1000, "stop": "never"},
    grid={
        "task.p": (17, 23),
        "optimizer.weight_decay": (0.5, 1.0, 2.0),
        "seed": (0, 1, 2, 3),
    },
)


def digests(folder: Path) -> dict[str, str]:
    """Return a hash of the last weights and of the history of each run."""
    found = {}
    for run in grokscope.open_all(folder):
        weights = run.snapshot().params.numpy().tobytes()
        found[run.name] = hashlib.sha256(
            weights + (run.path / "history.parquet").read_bytes()
        ).hexdigest()
    return found


def alone(out: Path) -> None:
    """Train every member as a run, one after another."""
    for name, config in members(SWEEP).items():
        grokscope.train(config, out=out / SWEEP.name, name=name)


def main() -> None:
    """Train, compare, print; the exit code says whether all were the same."""
    ways = {
        "alone": alone,
        "local": lambda out: run_sweep(SWEEP, out=out, executor="local"),
        "ray": lambda out: run_sweep(SWEEP, out=out, executor="ray"),
    }
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, train in ways.items():
            begun = time.perf_counter()
            train(Path(folder) / name)
            seconds = time.perf_counter() - begun
            found[name] = digests(Path(folder) / name / SWEEP.name)
            same = sum(found[name].get(x) == value for x, value in found["alone"].items())
            print(
                f"{name:<6} {len(found[name])} runs, {same} with the bits of alone, {seconds:.1f} s"
            )
    sys.exit(any(x != found["alone"] or len(x) != len(members(SWEEP)) for x in found.values()))


if __name__ == "__main__":
    main()
