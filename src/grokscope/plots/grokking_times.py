"""Grokking time of each group as boxes, with the runs themselves and those that did not grok."""

import math

import numpy as np
import plotly.graph_objects as go

from grokscope.analyses.outcomes import Group, sample
from grokscope.analyses.sweep import Findings
from grokscope.ops.survival import quantile
from grokscope.plots.base import sweep_plot
from grokscope.plots.groups import color, group_axis, label
from grokscope.plots.style import LIGHT, UNSEEN, level_axis, template
from grokscope.plots.text import plain


@sweep_plot(
    label="Grokking time",
    order=10,
    caption="Dots are runs at the step from which test accuracy was sustained at .99; open "
    "triangles are runs censored at their last step, crosses runs that diverged there. A box spans "
    "the Kaplan-Meier quartiles with the median inside; where a quartile was not reached it is "
    "open and ends at the last step.",
)
def grokking_times(found: Findings) -> go.Figure:
    """Draw the grokking time of each group over its label."""
    figure = go.Figure()
    add_boxes(figure, found)
    figure.update_layout(template=template(LIGHT), height=440, margin_t=24, hovermode="closest")
    return figure


def add_boxes(figure: go.Figure, found: Findings, **place: int) -> None:
    """Add a box and the runs of each group to a figure, or to the subplot at `row` and `col`."""
    groups = found.outcomes.groups
    for number, group in enumerate(groups):
        _box(figure, number, group, place)
        for kind, symbol in {"grokked": "circle", **UNSEEN}.items():
            _dots(figure, number, group, kind, symbol, place)
    figure.update_xaxes(group_axis(found), **place)
    figure.update_yaxes(
        level_axis("Grokking time (steps)", log=False)
        | {"rangemode": "tozero", "tickformat": ",d"},
        **place,
    )


def _box(figure: go.Figure, number: int, group: Group, place: dict[str, int]) -> None:
    times, seen = sample(group.members)
    quartiles = [float(quantile(times, seen, share)) for share in (0.25, 0.5, 0.75)]
    if len(times) < 2 or math.isinf(quartiles[0]):
        return
    top = float(times.max())
    low, median, high = (min(q, top) for q in quartiles)
    figure.add_scatter(
        x=[number + dx for dx in (-0.28, -0.28, 0.28, 0.28)]
        + ([number - 0.28] if math.isfinite(quartiles[2]) else []),
        y=[high, low, low, high] + ([high] if math.isfinite(quartiles[2]) else []),
        mode="lines",
        line={"color": color(number), "width": 1.5},
        showlegend=False,
        hoverinfo="skip",
        **place,
    )
    if math.isfinite(quartiles[1]):
        figure.add_scatter(
            x=[number - 0.28, number + 0.28],
            y=[median, median],
            mode="lines",
            line={"color": color(number), "width": 3},
            showlegend=False,
            hovertemplate=f"{label(group)}<br>median %{{y:,}}<extra></extra>",
            **place,
        )


def _dots(
    figure: go.Figure, number: int, group: Group, kind: str, symbol: str, place: dict[str, int]
) -> None:
    shown = []
    for member in group.members:
        at, seen = member.time("grokked_at")
        if kind == (
            "grokked" if seen else "diverged" if member.outcome == "diverged" else "censored"
        ):
            shown.append((at, member))
    if not shown:
        return
    spread = np.linspace(-0.16, 0.16, len(shown)) if len(shown) > 1 else np.zeros(1)
    figure.add_scatter(
        x=(number + spread).tolist(),
        y=[at for at, _ in shown],
        mode="markers",
        marker={
            "color": color(number),
            "symbol": symbol,
            "size": 7 if symbol == "circle" else 10,
            "line": {"width": 0 if symbol == "circle" else 1.8, "color": color(number)},
            "opacity": 0.9 if len(shown) < 40 else 0.5,
        },
        text=[plain(f"{member.run.name}: {member.outcome}") for _, member in shown],
        hovertemplate="%{text}<br>step %{y:,}<extra></extra>",
        showlegend=False,
        **place,
    )
