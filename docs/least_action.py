"""Pressure on depth, from real runs: the table and the pictures of docs/least-action.md.

Run as `python docs/least_action.py`. A finished run in runs/least-action/ is used again; without
them the training takes about half an hour on one thread.
"""

import sys
from pathlib import Path

import polars as pl
from figures import PICTURES, ROOT, THEMES, dressed

import grokscope
from grokscope.analyses.phase_diagram import by_weight, phase_diagram
from grokscope.plots import save
from grokscope.plots.phase_diagram import phase_diagram as draw
from grokscope.store import Runs

RUNS = ROOT / "runs" / "least-action"
SEEDS = range(5)
# Which recipe, with what, under which weights of the penalty.
SWEEPS = {
    "gated-17": ("gated-17", (), (0.0, 0.001, 0.01, 0.1, 1.0)),
    "gated-59": ("gated-59", (), (0.0, 0.3)),
    "gated-17-soft": ("gated-17", ("model.gate=sigmoid",), (0.0, 0.001, 0.01)),
}


def main() -> None:
    """Train what is missing, print the tables, draw the picture in light and dark."""
    found = {name: trained(name) for name in SWEEPS if name in sys.argv[1:] or not sys.argv[1:]}
    for name, runs in found.items():
        print(f"\n{name}\n{table(runs)}")
    if "gated-17" not in found:
        return
    diagram = phase_diagram(found["gated-17"])
    for scheme, theme in THEMES.items():
        path = PICTURES / f"least_action_{scheme}.png"
        save(dressed(draw(diagram, by_weight(diagram)), theme), path, width=860)
        print(path.relative_to(ROOT))


def trained(name: str) -> Runs:
    """Return the runs of a sweep, each trained unless it is there."""
    recipe, overrides, weights = SWEEPS[name]
    runs = []
    for weight in weights:
        for seed in SEEDS:
            run = f"{name}-{weight:g}-{seed}"
            changes = [*overrides, f"seed={seed}", f"penalties.0.weight={weight}"]
            runs.append(finished(RUNS / run, recipe, changes))
    return Runs(tuple(runs))


def finished(path: Path, recipe: str, changes: list[str]) -> grokscope.Run:
    """Return a finished run, trained on one thread if need be."""
    if not path.exists():
        return grokscope.train(recipe, [*changes, "threads=1"], out=path.parent, name=path.name)
    run = grokscope.open(path)
    return run if run.status["state"] == "finished" else grokscope.resume(run)


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
