"""What pressure on compute does to several runs: accuracy, depth and grokking time over λ (A9)."""

from typing import Any

import polars as pl

from grokscope.errors import ScienceError
from grokscope.ops.intervals import mean_interval
from grokscope.store import Runs

WEIGHT = "penalties.0.weight"


def phase_diagram(runs: Runs, *, weight: str = WEIGHT) -> pl.DataFrame:
    """Return one row a run: `weight`, seed, last test accuracy and effective depth, grokking step.

    weight: the path of the penalty's weight λ; a run without it counts as λ = 0. `on_front` marks
    the Pareto front: runs than which none has at least their accuracy at no more depth, and one of
    the two strictly. Raises ScienceError for runs that did not measure `effective_depth`.
    """
    rows: list[dict[str, Any]] = []
    for run in runs:
        last = run.last
        if "effective_depth" not in last:
            raise ScienceError(
                f"{run.path}: a phase diagram needs effective_depth among measure.metrics"
            )
        rows.append(
            {
                "run": run.name,
                "weight": _weight_of(run.config, weight),
                "seed": run.config.seed,
                "test_acc": last["test_acc"],
                "effective_depth": last["effective_depth"],
                "grokked_at": run.status.get("grokked_at"),
            }
        )
    points = [(row["test_acc"], row["effective_depth"]) for row in rows]
    front = [not any(_dominates(other, point) for other in points) for point in points]
    frame = pl.DataFrame(rows, schema_overrides={"grokked_at": pl.Int64})
    return frame.with_columns(pl.Series("on_front", front)).sort("weight", "seed")


def by_weight(diagram: pl.DataFrame) -> pl.DataFrame:
    """Return one row a weight: runs, how many grokked, means with the ends of their 95 % intervals.

    Columns `test_acc`, `effective_depth` and their `_low` and `_high` (Student intervals over the
    runs), `worst_test_acc`, and `grokked_at`, the median over the runs, null where half of them or
    more did not grok.
    """
    rows: list[dict[str, Any]] = []
    for (weight,), group in diagram.group_by("weight", maintain_order=True):
        row: dict[str, Any] = {
            "weight": weight,
            "runs": len(group),
            "grokked": group["grokked_at"].count(),
        }
        for name in ("test_acc", "effective_depth"):
            mean, low, high = mean_interval(group[name].to_list())
            row |= {name: mean, f"{name}_low": low, f"{name}_high": high}
        row["worst_test_acc"] = group["test_acc"].min()
        times = sorted(group["grokked_at"].fill_null(2**62).to_list())
        middle = times[(len(times) - 1) // 2], times[len(times) // 2]
        row["grokked_at"] = None if middle[1] == 2**62 else sum(middle) / 2
        rows.append(row)
    return pl.DataFrame(rows, schema_overrides={"grokked_at": pl.Float64})


def _dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] >= other[0] and one[1] <= other[1]


def _weight_of(config: object, path: str) -> float:
    """Return the number at a dotted path, 0 where a penalty of that number does not exist."""
    at = config
    for part in path.split("."):
        if isinstance(at, tuple):
            if int(part) >= len(at):
                return 0.0
            at = at[int(part)]
        else:
            at = getattr(at, part)
    return float(at)  # type: ignore[arg-type]
