"""Test accuracy of many runs over one another."""

import plotly.graph_objects as go
import polars as pl

from grokscope.analyses.sweep import Findings
from grokscope.plots.base import sweep_plot
from grokscope.plots.curves import thin
from grokscope.plots.groups import color, label
from grokscope.plots.style import LIGHT, decades, level_axis, template
from grokscope.plots.text import plain
from grokscope.store.history import sketch

MOST = 120
"""Runs drawn at most; more are drawn as every second, third … of each group."""
POINTS = 12_000
"""Points of all lines together at most; of each stretch of a line the extremes are kept."""


@sweep_plot(
    label="Test accuracy",
    order=0,
    caption="Test accuracy over steps on a logarithmic axis, one line a run and one color a group. "
    f"Of more than {MOST} runs evenly chosen ones are drawn.",
)
def accuracy_overlay(found: Findings) -> go.Figure:
    """Draw the test accuracy of each run against the step, colored by group."""
    figure = go.Figure()
    add_overlay(figure, found)
    figure.update_layout(template=template(LIGHT), height=420, hovermode="closest")
    figure.update_xaxes(decades())
    return figure.update_yaxes(level_axis("Test accuracy", log=False) | {"range": [-0.03, 1.06]})


def add_overlay(figure: go.Figure, found: Findings, **place: int) -> None:
    """Add a line for each run to a figure, or to the subplot at `row` and `col`."""
    groups = found.outcomes.groups
    stride = -(-len(found.outcomes.members) // MOST)
    most = POINTS // min(len(found.outcomes.members), MOST)
    for number, group in enumerate(groups):
        for count, member in enumerate(group.members[::stride]):
            rows = sketch(member.run.path, columns=["step", "test_acc"]).filter(pl.col("step") > 0)
            if "test_acc" not in rows.columns:
                continue
            steps, accuracy = (rows[name].to_numpy() for name in ("step", "test_acc"))
            x, y = thin(steps, accuracy, most, log=True)
            figure.add_scatter(
                x=x,
                y=y,
                mode="lines",
                name=label(group),
                legendgroup=label(group),
                showlegend=count == 0,
                line={"color": color(number), "width": 1.4},
                opacity=0.85,
                text=plain(member.run.name),
                hovertemplate="%{text}<br>step %{x:,}<br>%{y:.4f}<extra></extra>",
                **place,
            )
