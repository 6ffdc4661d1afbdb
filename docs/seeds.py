"""When recipes memorize and grok, seed by seed: the steps in their notes and in the documentation.

Run as `python docs/seeds.py RECIPE...`; what is finished in runs/seeds/ is used again.
"""

import sys

from figures import ROOT

import grokscope
from grokscope.sweeps import Sweep, members, run_sweep

RUNS = ROOT / "runs" / "seeds"
RECIPES = ("routed-17", "routed-59", "transformer-17")
SEEDS = (0, 1, 2, 3, 4)


def main() -> None:
    """Train what is missing, and print a table of each recipe."""
    for recipe in sys.argv[1:] or RECIPES:
        sweep = Sweep(name=recipe, recipe=recipe, set={"threads": 1}, grid={"seed": SEEDS})
        runs = run_sweep(sweep, out=RUNS)
        print(f"\n{recipe}\n{table([runs[name] for name in members(sweep)])}", flush=True)


def table(runs: list[grokscope.Run]) -> str:
    """Return one row a seed as Markdown, with the test accuracy at the last step."""
    rows = ["| seed | memorized | grokked | test accuracy at the end |", "|---:|---:|---:|---|"]
    rows += [
        f"| {run.config.seed} | {step(run, 'memorized_at')} | {step(run, 'grokked_at')} | "
        f"{run.last['test_acc']:.4f} at {run.status['step']:,} |"
        for run in runs
    ]
    return "\n".join(rows)


def step(run: grokscope.Run, event: str) -> str:
    """Return the step of an event, or a dash where it did not come."""
    at = run.status[event]
    return "–" if at is None else f"{at:,}"


if __name__ == "__main__":
    main()
