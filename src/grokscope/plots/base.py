"""What a plot is: a decorated function of a run that returns a plotly figure."""

from collections.abc import Callable
from dataclasses import dataclass

import plotly.graph_objects as go

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


PLOTS: Registry[Plot] = Registry("plot", "grokscope.plots")


def plot(*, label: str, caption: str = "", order: int = 100) -> Callable[[Draw], Draw]:
    """Register a function of a run under its own name; low orders come first in a report."""

    def decorate(function: Draw) -> Draw:
        PLOTS.add(function.__name__, Plot(function.__name__, function, label, caption, order))
        return function

    return decorate
