"""What it takes to look at many finished runs: open, table, statistics and verdict of a folder.

    python benchmarks/many_runs.py          # 1,000 runs of 20 groups, 200 rows of history each

Each look is a process of its own, which begins with nothing loaded; seconds are those after
`import grokscope`. Writes one JSON file beside those of bench.py.
"""

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from grokscope.config import load
from grokscope.store import create, open_run

RESULTS = Path(__file__).parent / "results"
SEEDS, ROWS, EVERY, LOOKS = 50, 200, 50, 3
DECAYS = tuple(0.25 * (number + 1) for number in range(20))
LOOK = """
import json, sys, time
import grokscope
from grokscope.analyses.sweep import analyze
marks = [(time.perf_counter(), time.process_time())]
def mark():
    marks.append((time.perf_counter(), time.process_time()))
runs = grokscope.open_all(sys.argv[1]); mark()
table = runs.table(); mark()
asked = "median(grokked_at | weight_decay=5) < median(grokked_at | weight_decay=0.25)"
found = analyze(runs, [asked]); mark()
assert len(table) == len(found.runs)
names = ("open", "table", "statistics")
spent = {n: [b[0] - a[0], b[1] - a[1]] for n, a, b in zip(names, marks, marks[1:])}
spent["all"] = [marks[-1][0] - marks[0][0], marks[-1][1] - marks[0][1]]
verdict = found.summary["hypotheses"][0]["verdict"]
print(json.dumps({"runs": len(table), "spent": spent, "verdict": verdict}))
"""


def make(folder, decay, seed):
    """Store a finished run whose test accuracy rises at a step that depends on decay and chance."""
    rng = np.random.default_rng([int(100 * decay), seed])
    at = int(rng.exponential(8000 / decay) // EVERY * EVERY) + EVERY
    base = load("quick", environment={})
    optimizer = dataclasses.replace(base.optimizer, weight_decay=decay)
    config = dataclasses.replace(base, seed=seed, optimizer=optimizer, steps=ROWS * EVERY)
    last = {}
    with create(folder / f"wd{decay}_s{seed}", config, {}) as writer:
        for step in range(0, ROWS * EVERY + 1, EVERY):
            names = ("train_loss", "test_loss", "weight_norm", "gradient_norm")
            values = dict(zip(names, rng.random(4).tolist(), strict=True))
            last = {"train_acc": 1.0, "test_acc": float(step >= at), **values}
            last["lookup_baseline"] = 0.5
            writer.measured(step, last, step / 1000)
        grokked = at <= ROWS * EVERY - 2 * EVERY
        writer.finish(
            compact=True,
            state="finished",
            step=ROWS * EVERY,
            memorized_at=EVERY,
            grokked_at=at if grokked else None,
            outcome="grokked" if grokked else "memorized",
            seconds=ROWS * EVERY / 1000,
            last=last,
        )
    open_run(folder / f"wd{decay}_s{seed}").analyze("grokking_time")  # as training does at its end


def main():
    with tempfile.TemporaryDirectory() as folder:
        for decay in DECAYS:
            for seed in range(SEEDS):
                make(Path(folder), decay, seed)
        looks = []
        for _ in range(LOOKS):
            words = [sys.executable, "-c", LOOK, folder]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            looks.append(json.loads(done.stdout))
            print(looks[-1], flush=True)
    result = {
        "runs": looks[0]["runs"],
        "groups": len(DECAYS),
        "rows": ROWS + 1,
        "load": os.getloadavg()[0],
        "cores": os.cpu_count(),
        "verdict": looks[0]["verdict"],
        "seconds": {
            n: statistics.median(x["spent"][n][0] for x in looks) for n in looks[0]["spent"]
        },
        "processor_seconds": {
            n: statistics.median(x["spent"][n][1] for x in looks) for n in looks[0]["spent"]
        },
    }
    text = json.dumps(result, indent=2)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"many-runs-{datetime.now(UTC):%Y-%m-%dT%H%M%S}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
