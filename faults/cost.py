"""What durability costs: the share of a run that goes into keeping it, and how fast one goes on.

    python faults/cost.py                      # nanda-113 as it is shipped, until it has grokked
    python faults/cost.py --steps 2000 --json cost.json

The writer of a run is timed from outside: everything that makes rows, checkpoints and status
durable, fsync included, against the whole time of the run. Then the run goes on in fresh processes,
and the time to the end of the first step is taken, without that of imports.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import grokscope
from grokscope.store.writer import Writer

KEEPING = ("saved", "flush", "status", "finish")
RESUME = """
import importlib, sys, time
import grokscope
from grokscope import launch
from grokscope.cli import app
from grokscope.engine import member

bootstrap = importlib._bootstrap
find, depth, late = bootstrap._find_and_load, 0, 0.0

def importing(*arguments):  # what is imported only when it is needed is an import too
    global depth, late
    begun, depth = time.perf_counter(), depth + 1
    try:
        return find(*arguments)
    finally:
        depth -= 1
        late += 0.0 if depth else time.perf_counter() - begun

def first(self, gradient):
    apply(self, gradient)
    whole = time.perf_counter() - begun
    print(whole - late, late)
    raise KeyboardInterrupt

apply, member.Member.apply = member.Member.apply, first
bootstrap._find_and_load = importing
begun = time.perf_counter()
try:
    grokscope.resume(sys.argv[1], ["steps=+10"])
except KeyboardInterrupt:
    pass
"""


def timed(spent: Counter[str]) -> None:
    """Count seconds and calls of each method that keeps something; one inside another is not."""
    inside = [False]

    def count(name: str) -> None:
        original = getattr(Writer, name)

        def call(self: Writer, *args: Any, **options: Any) -> Any:
            if inside[0]:
                return original(self, *args, **options)
            inside[0], begun = True, time.perf_counter()
            try:
                return original(self, *args, **options)
            finally:
                inside[0] = False
                spent[name] += time.perf_counter() - begun
                spent[f"{name} calls"] += 1

        setattr(Writer, name, call)

    for name in KEEPING:
        count(name)


def share(recipe: str, overrides: list[str], folder: Path) -> dict[str, Any]:
    """Return how much of the time of a run was spent on keeping it."""
    spent: Counter[str] = Counter()
    timed(spent)
    begun = time.perf_counter()
    run = grokscope.train(recipe, overrides, out=folder, name="run")
    whole = time.perf_counter() - begun
    keeping = sum(spent[name] for name in KEEPING)
    return {
        "recipe": recipe,
        "overrides": overrides,
        "steps": run.status["step"],
        "outcome": run.outcome,
        "checkpoints": len(run.steps),
        "seconds": whole,
        "keeping_seconds": keeping,
        "share": keeping / whole,
        "calls": {name: spent[f"{name} calls"] for name in KEEPING},
    }


def first_steps(run: Path, times: int) -> list[tuple[float, float]]:
    """Return the seconds until the end of the first step, without imports, and those of imports.

    Imports are those that are made on the way; each process has loaded the package before.
    """
    found = []
    for _ in range(times):
        done = subprocess.run(
            [sys.executable, "-c", RESUME, str(run)], capture_output=True, text=True, check=True
        )
        beyond, imports = map(float, done.stdout.split()[-2:])
        found.append((beyond, imports))
    return found


def main() -> None:
    """Measure and print, and write down where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="nanda-113")
    parser.add_argument("--steps", type=int, help="end after so many steps")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="a folder on the disk that is to be measured")
    parser.add_argument("--json", type=Path, help="write the numbers there")
    options = parser.parse_args()
    overrides = [f"threads={options.threads}"]
    overrides += [f"steps={options.steps}"] if options.steps else []
    with tempfile.TemporaryDirectory(prefix="cost-", dir=options.folder) as folder:
        found = share(options.recipe, overrides, Path(folder))
        taken = first_steps(Path(folder) / "run", options.times)
        found["first_step_seconds"] = [beyond for beyond, _ in taken]
        found["late_import_seconds"] = [imports for _, imports in taken]
    found["cores"] = os.cpu_count()
    print(json.dumps(found, indent=2))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
