"""Which measure tells of grokking beforehand: the table and the picture of docs/lead-time.md.

Run as `python docs/lead_time.py [RECIPE]`. Five grokking and five null runs are trained unless they
are in runs/lead-time/; that takes about ten minutes on one thread.
"""

import sys
from pathlib import Path

import polars as pl
from figures import PICTURES, ROOT, THEMES, dressed

import grokscope
from grokscope.analyses.lead_time import lead_time
from grokscope.metrics import METRICS
from grokscope.plots import save
from grokscope.plots.lead_time import lead_time as draw
from grokscope.store import Runs

RUNS = ROOT / "runs" / "lead-time"
RECIPE = "transformer-17"
# Seed 3 ended at test accuracy .9655 after 8,000 steps: neither grokked nor null.
SEEDS = (0, 1, 2, 4, 5)
# Longer than the slowest of the five.
STEPS = 4000
NULLS = {"no-decay": ("optimizer.weight_decay=0", 3), "random": ("data.random_labels=true", 2)}
TABLE = ROOT / "docs" / "generated" / "lead-time.md"


def main() -> None:
    """Train what is missing, write the table, draw the picture in light and dark."""
    recipe = sys.argv[1] if len(sys.argv) > 1 else RECIPE
    table = lead_time(trained(recipe))
    TABLE.write_text(markdown(table), encoding="utf-8")
    print(f"wrote {TABLE.relative_to(ROOT)}")
    for scheme, theme in THEMES.items():
        path = PICTURES / f"lead_time_{scheme}.png"
        save(dressed(draw(table), theme), path, width=860)
        print(path.relative_to(ROOT))


def trained(recipe: str) -> Runs:
    """Return five grokking and five null runs that measured everything."""
    shared = [f"measure.metrics=[{','.join(METRICS)}]", "measure.dense_until=1000000"]
    shared += ["measure.dense_every=25", "checkpoint.every=1000000"]
    runs = [
        finished(RUNS / f"{recipe}-{seed}", recipe, [*shared, f"seed={seed}"]) for seed in SEEDS
    ]
    for name, (change, count) in NULLS.items():
        for seed in range(count):
            changes = [*shared, change, f"seed={seed}", "stop=never", f"steps={STEPS}"]
            runs.append(finished(RUNS / f"{recipe}-{name}-{seed}", recipe, changes))
    return Runs(tuple(runs))


def finished(path: Path, recipe: str, changes: list[str]) -> grokscope.Run:
    """Return a finished run, trained on one thread if need be."""
    if not path.exists():
        return grokscope.train(recipe, [*changes, "threads=1"], out=path.parent, name=path.name)
    run = grokscope.open(path)
    return run if run.status["state"] == "finished" else grokscope.resume(run)


def markdown(table: pl.DataFrame) -> str:
    """Return one row a column of the history."""
    rows = [
        "| measure | detected | median lead (steps) | shortest | of the delay | false alarms |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    rows += [
        f"| `{row['column']}` | {row['detected']} of {row['grokking']} | {row['lead']:,.0f} | "
        f"{row['shortest']:,} | {row['share']:.2f} | {row['false_alarms']} of {row['null']} |"
        for row in table.to_dicts()
    ]
    return "\n".join([*rows, ""])


if __name__ == "__main__":
    main()
