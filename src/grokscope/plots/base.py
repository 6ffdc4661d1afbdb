"""What a plot is: a decorated function of a run that returns a plotly figure."""

from collections.abc import Callable
from dataclasses import dataclass

import plotly.graph_objects as go
import polars as pl

from grokscope._registry import Registry
from grokscope.store import Run

Draw = Callable[[Run], go.Figure]


@dataclass(frozen=True)
class Plot:
    """A function of a run with what is needed to show it."""

    name: str
    function: Draw
    label: str
    caption: str
    order: int


def rows(run: Run, *columns: str) -> dict[str, list[float]]:
    """Return columns of a run's history after step 0; one that was not measured is empty."""
    history = run.history.filter(pl.col("step") > 0)
    return {name: history[name].to_list() if name in history else [] for name in columns}


PLOTS: Registry[Plot] = Registry("plot", "grokscope.plots")


def plot(*, label: str, caption: str = "", order: int = 100) -> Callable[[Draw], Draw]:
    """Register a function of a run under its own name; low orders come first in a report."""

    def decorate(function: Draw) -> Draw:
        PLOTS.add(function.__name__, Plot(function.__name__, function, label, caption, order))
        return function

    return decorate
