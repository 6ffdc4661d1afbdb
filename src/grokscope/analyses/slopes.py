"""How grokking time scales with a number of the configuration: the slope of ln T on ln λ (A9)."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from grokscope.analyses.outcomes import Group, Outcomes, sample
from grokscope.ops.resampling import DRAWS, bootstrap_rows, ends
from grokscope.ops.survival import Floats, quantile

Cell = tuple[float, Group]


def slopes(outcomes: Outcomes) -> list[dict[str, Any]]:
    """Return one row for each number that varies and each choice of all else that varies.

    The slope is that of least squares of the logarithm of the Kaplan-Meier median on the logarithm
    of the number, over groups whose median was reached; `left_out` names the others, censored or
    at 0. Its interval is a percentile bootstrap of the runs in each group; open where every group
    is one run, and a draw in which fewer than two medians are reached does not count.
    """
    rows = []
    for path in numeric(outcomes):
        for fixed, cells in lines(outcomes, path):
            if len([x for x, _ in cells if x > 0]) > 1:
                rows.append({"path": path, "at": fixed, **_slope(cells)})
    return rows


def numeric(outcomes: Outcomes) -> list[str]:
    """Return the paths that vary between groups and are positive numbers in at least two of them.

    A modulus and other whole numbers count; true and false do not.
    """
    paths = outcomes.groups[0].values
    return [
        path
        for path in paths
        if len({g.values[path] for g in outcomes.groups if _positive(g.values[path])}) > 1
        and all(_number(g.values[path]) for g in outcomes.groups)
    ]


def lines(outcomes: Outcomes, path: str) -> list[tuple[dict[str, Any], list[Cell]]]:
    """Return the groups in ascending order of one path, for each choice of all others."""
    found: dict[str, tuple[dict[str, Any], list[Cell]]] = {}
    for group in outcomes.groups:
        fixed = {p: v for p, v in group.values.items() if p != path}
        value = group.values[path]
        found.setdefault(repr(fixed), (fixed, []))[1].append((float(value or 0), group))
    return [(fixed, sorted(cells, key=lambda cell: cell[0])) for fixed, cells in found.values()]


def _slope(cells: Sequence[Cell]) -> dict[str, Any]:
    samples = [sample(group.members) for _, group in cells]
    x = np.array([math.log(value) if value > 0 else math.nan for value, _ in cells])
    medians = np.array([float(quantile(*found)) for found in samples])
    slope, intercept = _fits(x, medians[None])
    draws = np.empty((DRAWS, len(cells)))
    for number, (times, seen) in enumerate(samples):
        picked = bootstrap_rows(len(times), stream=number)
        draws[:, number] = quantile(times[picked], seen[picked])
    known = _fits(x, draws)[0]
    known = known[np.isfinite(known)]
    single = all(len(times) == 1 for times, _ in samples)
    low, high = (-math.inf, math.inf) if single or not len(known) else ends(known)
    used = np.isfinite(x) & np.isfinite(medians)
    return {
        "slope": float(slope[0]),
        "low": low,
        "high": high,
        "intercept": float(intercept[0]),
        "groups": int(used.sum()),
        "left_out": [group.label for (_, group), keep in zip(cells, used, strict=True) if not keep],
    }


def _fits(x: Floats, medians: Floats) -> tuple[Floats, Floats]:
    """Return slope and intercept of ln T [draws, groups] on x [groups]; NaN with fewer than two."""
    used = np.isfinite(x) & np.isfinite(medians) & (medians > 0)
    y = np.log(np.where(used, medians, 1.0))
    weights = used / np.maximum(used.sum(1, keepdims=True), 1)
    at = np.where(np.isfinite(x), x, 0.0)
    center, height = (weights * at).sum(1), (weights * y).sum(1)
    away = (at - center[:, None]) * used
    spread = (away**2).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.where(used.sum(1) > 1, (away * y).sum(1) / spread, np.nan)
    return slope, height - slope * center


def _number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _positive(value: Any) -> bool:
    return _number(value) and value is not None and value > 0
