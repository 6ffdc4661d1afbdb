"""Pressure on depth, from real runs: the table and the pictures of docs/least-action.md.

Run as `python docs/least_action.py [gated-17 gated-59 gated-17-soft]`. The sweeps are those that
ship; what is finished in runs/least-action/ is used again, and without it the training takes about
half an hour.
"""

import dataclasses
import sys

import polars as pl
from figures import PICTURES, ROOT, THEMES, dressed

from grokscope.analyses.phase_diagram import by_weight, phase_diagram
from grokscope.plots import save
from grokscope.plots.phase_diagram import phase_diagram as draw
from grokscope.store import Runs
from grokscope.sweeps import Sweep, load_sweep, members, run_sweep

RUNS = ROOT / "runs" / "least-action"
WEIGHT = "penalties.0.weight"


def main() -> None:
    """Train what is missing, print the tables, draw the picture in light and dark."""
    known = sweeps()
    found = {name: trained(known[name]) for name in sys.argv[1:] or known}
    for name, runs in found.items():
        print(f"\n{name}\n{table(runs)}")
    if "gated-17" not in found:
        return
    diagram = phase_diagram(found["gated-17"])
    for scheme, theme in THEMES.items():
        path = PICTURES / f"least_action_{scheme}.png"
        save(dressed(draw(diagram, by_weight(diagram)), theme), path, width=860)
        print(path.relative_to(ROOT))


def sweeps() -> dict[str, Sweep]:
    """Return the sweeps by name: two that ship, and the smaller with a smooth gate."""
    small, large = load_sweep("phase-1-pressure"), load_sweep("phase-1-pressure-59")
    grid = {**small.grid, WEIGHT: (0.0, 0.001, 0.01)}
    smooth = {"name": "smooth-gates", "set": {"model.gate": "sigmoid"}, "grid": grid}
    few = dataclasses.replace(large, grid={**large.grid, WEIGHT: (0.0, 0.3)})
    return {
        "gated-17": small,
        "gated-59": few,
        "gated-17-soft": dataclasses.replace(small, **smooth),
    }


def trained(sweep: Sweep) -> Runs:
    """Return the members of a sweep, each trained unless it is there."""
    runs = run_sweep(sweep, out=RUNS)
    return Runs(tuple(runs[name] for name in members(sweep)))


def table(runs: Runs) -> str:
    """Return one row a weight as Markdown, with the accuracy after rounding every gate."""
    diagram = phase_diagram(runs)
    rounded = [run.analyze("early_exit").scalars["rounded_test_acc"] for run in runs]
    by_run = pl.DataFrame({"run": [run.name for run in runs], "rounded": rounded})
    joined = diagram.join(by_run, on="run")
    rows = [
        "| λ | grokked | test accuracy, mean, worst | effective depth | gates rounded | median |",
        "|---:|---:|---|---|---:|---:|",
    ]
    for row in by_weight(diagram).to_dicts():
        own = joined.filter(pl.col("weight") == row["weight"])
        step = "–" if row["grokked_at"] is None else f"{row['grokked_at']:,.0f}"
        rows.append(
            f"| {row['weight']:g} | {row['grokked']} of {row['runs']} | "
            f"{row['test_acc']:.4f}, {row['worst_test_acc']:.4f} | "
            f"{row['effective_depth']:.3f} ({row['effective_depth_low']:.3f} to "
            f"{row['effective_depth_high']:.3f}) | {own['rounded'].mean():.4f} | {step} |"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    main()
