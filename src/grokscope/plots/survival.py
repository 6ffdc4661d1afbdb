"""Kaplan-Meier curves: the share of runs that have not grokked yet, over steps."""

import plotly.graph_objects as go

from grokscope.analyses.outcomes import sample
from grokscope.analyses.sweep import Findings
from grokscope.ops.survival import kaplan_meier
from grokscope.plots.base import sweep_plot
from grokscope.plots.groups import color, label
from grokscope.plots.style import LIGHT, level_axis, template


@sweep_plot(
    label="Runs that have not grokked yet",
    order=20,
    caption="Kaplan-Meier estimate of the share of runs that have not grokked by a step, one curve "
    "a group. Crosses mark runs that ended, or diverged, without having grokked.",
)
def survival_curves(found: Findings) -> go.Figure:
    """Draw the survival curve of each group."""
    figure = go.Figure()
    add_curves(figure, found)
    figure.update_layout(template=template(LIGHT), height=400, hovermode="closest")
    figure.update_xaxes({"title": {"text": "Step"}, "rangemode": "tozero", **THOUSANDS})
    return figure.update_yaxes(level_axis("Not grokked yet", log=False) | {"range": [-0.03, 1.06]})


THOUSANDS = {"tickformat": ",d"}


def add_curves(figure: go.Figure, found: Findings, *, legend: bool = True, **place: int) -> None:
    """Add the curve of each group to a figure, or to the subplot at `row` and `col`."""
    for number, group in enumerate(found.outcomes.groups):
        times, seen = sample(group.members)
        curve = kaplan_meier(times, seen)
        steps = [0.0, *curve.times.tolist()]
        shares = [1.0, *curve.survival.tolist()]
        figure.add_scatter(
            x=steps,
            y=shares,
            mode="lines",
            name=label(group),
            legendgroup=label(group),
            showlegend=legend,
            line={"color": color(number), "width": 2, "shape": "hv"},
            hovertemplate="by step %{x:,}<br>%{y:.3f} have not<extra></extra>",
            **place,
        )
        ended = sorted({float(t) for t in times[~seen]})
        figure.add_scatter(
            x=ended,
            y=[shares[steps.index(t)] for t in ended],
            mode="markers",
            marker={"symbol": "cross-thin-open", "size": 9, "color": color(number)},
            legendgroup=label(group),
            showlegend=False,
            hovertemplate="ended at step %{x:,}<extra></extra>",
            **place,
        )
