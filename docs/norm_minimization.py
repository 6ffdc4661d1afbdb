"""Norm minimization seed by seed: the table of docs/exact.md.

Run as `python docs/norm_minimization.py [norm-minimization-17 norm-minimization]`, the sweeps that
ship; a member that is finished in runs/norm-minimization/ is used again.
"""

import sys

import polars as pl
from figures import ROOT

import grokscope
from grokscope.sweeps import load_sweep, members, run_sweep

RUNS = ROOT / "runs" / "norm-minimization"
LEVELS = {"norm-minimization-17": 0.95, "norm-minimization": 0.99}
"""Test accuracy that each sweep is to reach and keep."""


def main() -> None:
    """Train what is missing, and print a table of each sweep."""
    for name in sys.argv[1:] or LEVELS:
        sweep = load_sweep(name)
        runs = run_sweep(sweep, out=RUNS, workers=1)
        rows = [row(runs[member], LEVELS[name]) for member in members(sweep)]
        head = f"| seed | test at step 500 | {LEVELS[name]} for good from step | at the end |"
        print(f"\n{name}\n{head} worst residual | seconds |\n|---:|---:|---:|---:|---:|---:|")
        print("\n".join(rows), flush=True)


def row(run: grokscope.Run, level: float) -> str:
    """Return what a seed did, as Markdown."""
    history = run.history.select("step", "test_acc", "interpolation_residual").drop_nulls()
    early = history.filter(pl.col("step") == 500)["test_acc"].item()
    below = history.filter(pl.col("test_acc") < level)["step"].max()
    after = history.filter(pl.col("step") > below)["step"].min()
    kept = "–" if after is None else f"{after:,}"
    residual = history["interpolation_residual"].max()
    return (
        f"| {run.config.seed} | {early:.3f} | {kept} | {run.last['test_acc']:.3f} | "
        f"{residual:.0e} | {run.status['seconds']:.1f} |"
    )


if __name__ == "__main__":
    main()
