"""What the pictures of Hessian spectra share: stored results, checkpoints as columns, colors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl
from plotly.colors import sample_colorscale

from grokscope.plots.style import LIGHT, template
from grokscope.store import Run
from grokscope.store.results import Result

LATER = [[0.0, "#b0d0ee"], [0.5, "#4f97d3"], [1.0, "#2464a4"]]
"""From early to late, light to dark, each legible as a line on light and dark pages."""


def stored(run: Run, name: str) -> Result | None:
    """Return the stored result of an analysis, None where there is none."""
    return run.results().get(name)


def exact(run: Run) -> bool:
    """Return whether a whole spectrum is stored with a run."""
    found = stored(run, "hessian_spectrum")
    return found is not None and "eigenvalues" in found.arrays


def nothing() -> go.Figure:
    """Return the figure of a run without what would be drawn."""
    return go.Figure().update_layout(template=template(LIGHT), height=320)


def drawn_from(name: str) -> Callable[[Callable[[Run, Result], go.Figure]], Callable[[Run], Any]]:
    """Turn a function of a run and a stored result into one of a run."""

    def decorate(function: Callable[[Run, Result], go.Figure]) -> Callable[[Run], go.Figure]:
        def draw(run: Run) -> go.Figure:
            found = stored(run, name)
            return nothing() if found is None else function(run, found)

        draw.__name__, draw.__doc__ = function.__name__, function.__doc__
        return draw

    return decorate


def columns(result: Result) -> list[str]:
    """Return the steps of a result as the names of columns, one a checkpoint."""
    return [f"{step:,}" for step in result.arrays["steps"]]


def checkpoints() -> dict[str, Any]:
    """Return a horizontal axis with one column a checkpoint."""
    title = {"text": "Step, one column a checkpoint"}
    return {"title": title, "type": "category", "nticks": 9, "tickangle": 0, "showgrid": False}


def picked(result: Result, count: int) -> list[int]:
    """Return the numbers of at most `count` checkpoints, spread evenly, the first and last too."""
    n = len(result.arrays["steps"])
    return sorted({round(i) for i in np.linspace(0, n - 1, min(count, n))})


def shades(count: int) -> list[str]:
    """Return as many colors from early to late."""
    at = np.linspace(0, 1, count) if count > 1 else [1.0]
    return [str(color) for color in sample_colorscale(LATER, list(at))]


def accuracy_at(run: Run, result: Result, side: str) -> list[float]:
    """Return the accuracy nearest to each checkpoint, in the order of the result's steps."""
    history = run.history.filter(pl.col(f"{side}_acc").is_not_null())
    known, values = history["step"].to_numpy(), history[f"{side}_acc"].to_numpy()
    nearest = [int(np.abs(known - step).argmin()) for step in result.arrays["steps"]]
    return [float(values[i]) for i in nearest]
