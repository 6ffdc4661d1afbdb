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
    """A function of a run with what is needed to show it.

    applies: whether a run has what is drawn; a report leaves the figure out where it has not.
    """

    name: str
    function: Draw
    label: str
    caption: str
    order: int
    applies: Callable[[Run], bool]


def rows(run: Run, *columns: str) -> dict[str, list[float]]:
    """Return columns of a run's history after step 0; one that was not measured is empty."""
    history = run.history.filter(pl.col("step") > 0)
    return {name: history[name].to_list() if name in history else [] for name in columns}


def measured(*columns: str) -> Callable[[Run], bool]:
    """Return a test of whether a run has measured these columns after step 0."""

    def test(run: Run) -> bool:
        return all(rows(run, *columns).values())

    return test


def analyzed(name: str) -> Callable[[Run], bool]:
    """Return a test of whether a result of this analysis is stored with a run."""
    return lambda run: name in run.results()


PLOTS: Registry[Plot] = Registry("plot", "grokscope.plots")


def plot(
    *,
    label: str,
    caption: str = "",
    order: int = 100,
    applies: Callable[[Run], bool] = lambda run: True,
) -> Callable[[Draw], Draw]:
    """Register a function of a run under its own name; low orders come first in a report."""

    def decorate(function: Draw) -> Draw:
        name = function.__name__
        PLOTS.add(name, Plot(name, function, label, caption, order, applies))
        return function

    return decorate
