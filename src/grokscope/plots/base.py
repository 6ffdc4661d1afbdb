"""What a plot is: a decorated function of a run, or of a sweep, that returns a plotly figure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import plotly.graph_objects as go
import polars as pl

from grokscope._registry import Registry
from grokscope.analyses.sweep import Findings
from grokscope.store import Run

T = TypeVar("T")
Draw = Callable[[T], go.Figure]


@dataclass(frozen=True)
class Plot(Generic[T]):
    """A function of a run, or of what a sweep found, with what is needed to show it.

    applies: whether there is what is drawn; a report leaves the figure out where there is not.
    """

    name: str
    function: Draw[T]
    label: str
    caption: str
    order: int
    applies: Callable[[T], bool]


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


PLOTS: Registry[Plot[Run]] = Registry("plot", "grokscope.plots")
SWEEP_PLOTS: Registry[Plot[Findings]] = Registry("sweep_plot", "grokscope.plots")


def plot(
    *,
    label: str,
    caption: str = "",
    order: int = 100,
    applies: Callable[[Run], bool] = lambda run: True,
) -> Callable[[Draw[Run]], Draw[Run]]:
    """Register a function of a run under its own name; low orders come first in a report."""

    def decorate(function: Draw[Run]) -> Draw[Run]:
        name = function.__name__
        PLOTS.add(name, Plot(name, function, label, caption, order, applies))
        return function

    return decorate


def sweep_plot(
    *,
    label: str,
    caption: str = "",
    order: int = 100,
    applies: Callable[[Findings], bool] = lambda found: True,
) -> Callable[[Draw[Findings]], Draw[Findings]]:
    """Register a function of what a sweep found under its own name, as `plot` does for a run."""

    def decorate(function: Draw[Findings]) -> Draw[Findings]:
        name = function.__name__
        SWEEP_PLOTS.add(name, Plot(name, function, label, caption, order, applies))
        return function

    return decorate
