"""Which measure tells of grokking beforehand, and how often it cries wolf (A11)."""

import math
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from grokscope.errors import ScienceError
from grokscope.ops import crossings
from grokscope.store import Runs, comparison
from grokscope.typing import Ge

Curve = npt.NDArray[np.float64]

BASELINE = 5
"""Measurements after memorization whose median is where a curve starts from."""


@comparison
def lead_time(
    runs: Runs, *, k: Annotated[int, Ge(1)] = 3, factor: Annotated[float, Ge(1)] = 2.0
) -> pl.DataFrame:
    """Return one row a measured column: threshold, leads of the grokking runs, false alarms.

    A run counts as grokking where `test_acc` reached .99 in k evaluations in a row, and as null
    where it never came half the way from the lookup baseline to 1; what is neither, or did not
    memorize (train accuracy .99), is left out. Of each curve the deviation |x - x₀| is followed
    from memorization on, x₀ the median of the first 5 measurements there, on a logarithmic axis
    where the values are positive and span two decades over all runs.
    How far a run strays is the largest deviation that k measurements in a row reach, and the
    threshold of a column is `factor` times the median of that over the null runs; an alarm is the
    first of k measurements in a row that exceed it. `false_alarms` leaves one out: the null runs
    that alarm at the threshold of the others. The largest null run as the threshold would allow for
    one false alarm at most. A null run that was stopped early had less time to stray: give it more
    steps than the others. A column that fewer than two null runs or not all grokking runs measured
    is left out.

    `detected`: grokking runs that alarm before the crossing; `lead`: the median over all of them of
    crossing - alarm in steps, 0 where there was none before; `shortest`: the least; `share`: the
    median lead over the delay from memorization to the crossing. Sorted by detected, false alarms
    and lead. Raises ScienceError without a grokking run or with fewer than two null runs.
    """
    grokking, null, marks = [], [], []
    for run in runs:
        history = run.history
        steps, test = history["step"].to_list(), history["test_acc"].to_list()
        memorized = crossings.first(steps, history["train_acc"].to_list(), 0.99)
        if memorized is None:
            continue
        crossed = crossings.sustained(steps, test, 0.99, k=k)
        after = history.filter(pl.col("step") >= memorized)
        if crossed is None:
            if max(test) <= (1 + history["lookup_baseline"][0]) / 2:
                null.append(after)
        else:
            grokking.append(after.filter(pl.col("step") <= crossed))
            marks.append((memorized, crossed))
    if not grokking or len(null) < 2:
        raise ScienceError(
            f"lead_time: needs a grokking run and two null runs that memorized, has "
            f"{len(grokking)} and {len(null)} (null: weight decay 0, or data.random_labels=true)"
        )
    rows = []
    for name in dict.fromkeys(grokking[0].columns):
        able = [frame for frame in null if _known(name, frame)]
        if name in ("step", "seconds") or len(able) < 2:
            continue
        if all(_known(name, frame) for frame in grokking):
            rows.append(_row(name, grokking, able, marks, k=k, factor=factor))
    table = pl.DataFrame(rows, infer_schema_length=None)
    return table.sort(
        ["detected", "false_alarms", "lead", "column"], descending=[True, False, True, False]
    )


def _known(name: str, frame: pl.DataFrame) -> bool:
    """Return whether a column was measured throughout, in finite numbers."""
    return name in frame.columns and bool(np.isfinite(_values(frame, name)).all())


def _values(frame: pl.DataFrame, name: str) -> Curve:
    return frame[name].cast(pl.Float64).fill_null(math.nan).to_numpy().astype(np.float64)


def _row(
    name: str,
    grokking: list[pl.DataFrame],
    null: list[pl.DataFrame],
    marks: list[tuple[int, int]],
    *,
    k: int,
    factor: float,
) -> dict[str, Any]:
    every = np.concatenate([_values(frame, name) for frame in (*grokking, *null)])
    log = bool(every.min() > 0 and every.max() > 100 * every.min())
    strays = [_deviation(_values(frame, name), log=log) for frame in null]
    reaches = np.array([_reach(stray, k) for stray in strays])
    threshold = factor * float(np.median(reaches))
    others = [factor * float(np.median(np.delete(reaches, i))) for i in range(len(reaches))]
    false_alarms = int((reaches > np.array(others)).sum())
    leads, shares = [], []
    for frame, (memorized, crossed) in zip(grokking, marks, strict=True):
        at = _alarm(_deviation(_values(frame, name), log=log), threshold, k)
        lead = 0 if at is None else crossed - int(frame["step"][at])
        leads.append(lead)
        shares.append(lead / max(crossed - memorized, 1))
    return {
        "column": name,
        "log": log,
        "threshold": threshold,
        "grokking": len(grokking),
        "detected": sum(lead > 0 for lead in leads),
        "lead": float(np.median(leads)),
        "shortest": min(leads),
        "share": float(np.median(shares)),
        "null": len(null),
        "false_alarms": false_alarms,
        "leads": leads,
    }


def _deviation(values: Curve, *, log: bool) -> Curve:
    """Return |x - x₀| from the median of the first measurements, of ln x where asked."""
    curve = np.log(values) if log else values
    deviation: Curve = np.abs(curve - np.median(curve[:BASELINE]))
    return deviation


def _reach(deviation: Curve, k: int) -> float:
    """Return the largest level that k measurements in a row reach."""
    if len(deviation) < k:
        return float(deviation.min(initial=math.inf)) if len(deviation) else 0.0
    windows = np.lib.stride_tricks.sliding_window_view(deviation, k)
    return float(windows.min(1).max())


def _alarm(deviation: Curve, threshold: float, k: int) -> int | None:
    """Return the number of the first of k measurements in a row above the threshold."""
    above = np.nextafter(threshold, math.inf)
    return crossings.sustained(range(len(deviation)), deviation.tolist(), above, k=k)
