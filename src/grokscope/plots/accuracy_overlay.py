"""Test accuracy of many runs over one another."""

import plotly.graph_objects as go
import polars as pl

from grokscope.analyses.sweep import Findings
from grokscope.plots.base import sweep_plot
from grokscope.plots.groups import color, label
from grokscope.plots.style import LIGHT, decades, level_axis, template
from grokscope.plots.text import plain

MOST = 120
"""Runs drawn at most; more are drawn as every second, third … of each group."""


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
    for number, group in enumerate(groups):
        for count, member in enumerate(group.members[::stride]):
            history = member.run.history.filter(pl.col("step") > 0)
            if "test_acc" not in history.columns:
                continue
            figure.add_scatter(
                x=history["step"].to_list(),
                y=history["test_acc"].to_list(),
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
