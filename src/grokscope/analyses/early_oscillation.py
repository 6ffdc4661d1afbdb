"""How the loss oscillates early, before anything is learned well (part of Q11)."""

from typing import Annotated, Any, Literal

import numpy as np
import polars as pl

from grokscope.errors import ScienceError
from grokscope.ops.hjorth import detrended, hjorth
from grokscope.store.results import Arrays, analysis
from grokscope.store.run import Run
from grokscope.typing import Ge, Gt

FEWEST = 16
"""Losses without which there is nothing to tell."""


@analysis(label="Early oscillation", source="Hjorth 1970; Notsawo et al. 2023, arXiv:2306.13253")
def early_oscillation(
    run: Run,
    *,
    until: Annotated[int, Gt(0)] = 400,
    degree: Annotated[int, Ge(0)] = 1,
    of: Literal["train_loss", "test_loss", "total_loss"] = "train_loss",
) -> tuple[dict[str, Any], Arrays]:
    """Return Hjorth's activity, mobility and complexity of the logarithm of the first losses.

    until: the last step that is looked at; degree: of the polynomial trend taken away first. The
    curve is ln L at every measured step from 0, which must be evenly spaced; mobility is per step.
    Deviation: the paper takes L itself; its fall over decades would drown the oscillation.
    Arrays: `steps` and the `detrended` curve. Raises ScienceError where measurements are too few
    or unevenly spaced.
    """
    rows = run.history.filter(pl.col("step") <= until)
    steps = rows["step"].to_numpy()
    remedy = "train with measure.dense_every=1 measure.dense_until=" + str(until)
    if len(steps) < FEWEST or steps[-1] < until:
        last = int(steps[-1]) if len(steps) else 0
        raise ScienceError(
            f"{run.path}: early_oscillation: {len(steps)} measurements up to step {last} of "
            f"{until}, needs {FEWEST}: {remedy}"
        )
    spacing = set(np.diff(steps).tolist())
    if len(spacing) > 1:
        raise ScienceError(
            f"{run.path}: early_oscillation: measured every {min(spacing)} to {max(spacing)} "
            f"steps, needs one spacing: {remedy}"
        )
    losses = rows[of].to_numpy()
    if not (losses > 0).all():
        raise ScienceError(f"{run.path}: early_oscillation: {of} is 0 within {until} steps")
    curve = detrended(np.log(losses), degree=degree)
    found, every = hjorth(curve), spacing.pop()
    scalars = {
        "activity": found.activity,
        "mobility": found.mobility / every,
        "complexity": found.complexity,
        "every": every,
        "losses": len(curve),
    }
    return scalars, {"steps": steps, "detrended": curve}
