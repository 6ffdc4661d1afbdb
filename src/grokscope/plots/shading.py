"""The phases of a run as shades behind its curves."""

import math

import plotly.graph_objects as go

from grokscope.analyses.phases import PHASES, spans
from grokscope.plots.base import rows
from grokscope.plots.style import SHADES
from grokscope.store import Run


def shade(figure: go.Figure, run: Run, *, panels: int = 1, hidden: float = -1.0) -> go.Figure:
    """Shade the phases of a run, if the analysis `phases` is stored with it, and name them.

    panels: how many rows the figure has; hidden: a height outside the first panel's range, where
    the markers stand that the legend shows.
    """
    found = run.results().get("phases")
    steps = rows(run, "step")["step"]
    if found is None or not steps:
        return figure
    begin = min(steps)
    for name, start, end in spans(found.scalars, int(max(steps))):
        if name == PHASES[-1] or end <= begin:
            continue
        color = SHADES[PHASES.index(name)]
        edges = [max(start, begin), end]
        for row in range(1, panels + 1):
            figure.add_shape(
                type="rect",
                x0=edges[0],
                x1=edges[1],
                y0=0,
                y1=1,
                xref=f"x{row if row > 1 else ''}",
                yref=f"y{row if row > 1 else ''} domain",
                fillcolor=color,
                line_width=0,
                layer="below",
            )
        figure.add_trace(
            go.Scatter(
                x=edges,
                y=[hidden, hidden],
                name=name,
                mode="markers",
                marker={"symbol": "square", "size": 13, "color": color.replace("0.1", "0.4")},
                hoverinfo="skip",
            )
        )
    return figure


def decade_of(step: float) -> float:
    """Return the position of a step on a logarithmic axis."""
    return math.log10(max(step, 1))
