"""A sweep at a glance: accuracy, success, times and survival in one figure."""

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokscope.analyses.sweep import Findings
from grokscope.plots.accuracy_overlay import add_overlay
from grokscope.plots.base import sweep_plot
from grokscope.plots.grokking_times import add_boxes
from grokscope.plots.groups import WIDE, color, group_axis
from grokscope.plots.style import LIGHT, decades, level_axis, template
from grokscope.plots.survival import THOUSANDS, add_curves

MOST = 12
"""Groups of a panel at most: more labels do not fit."""


@sweep_plot(
    label="At a glance",
    order=30,
    caption="Test accuracy of each run, grokking times with censored runs as open triangles, the "
    "share of runs that have not grokked yet, and the share that did with its Wilson interval.",
    applies=lambda found: len(found.outcomes.groups) <= MOST,
)
def sweep_panel(found: Findings) -> go.Figure:
    """Draw four views of a sweep, one color a group."""
    titles = ("Test accuracy", "Grokking time", "Not grokked yet", "Success rate")
    figure = make_subplots(
        2, 2, subplot_titles=titles, horizontal_spacing=0.11, vertical_spacing=0.17
    )
    add_overlay(figure, found, row=1, col=1)
    add_boxes(figure, found, row=1, col=2)
    add_curves(figure, found, legend=False, row=2, col=1)
    _rates(figure, found)
    figure.update_xaxes(decades(), row=1, col=1)
    figure.update_xaxes({"title": {"text": "Step"}, **THOUSANDS}, row=2, col=1)
    share = level_axis("", log=False) | {"range": [-0.03, 1.06]}
    for row, col in ((1, 1), (2, 1), (2, 2)):
        figure.update_yaxes(share, row=row, col=col)
    figure.update_yaxes({"title": {"text": "Steps"}}, row=1, col=2)
    figure.update_annotations(yshift=6)
    figure.update_layout(meta=WIDE)
    return figure.update_layout(
        template=template(LIGHT), height=720, margin_t=90, legend_y=1.09, hovermode="closest"
    )


def _rates(figure: go.Figure, found: Findings) -> None:
    rows = found.summary["groups"]
    for number, row in enumerate(rows):
        figure.add_scatter(
            x=[number],
            y=[row["success"]],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [max(row["success_high"] - row["success"], 0.0)],
                "arrayminus": [max(row["success"] - row["success_low"], 0.0)],
                "thickness": 1.4,
            },
            mode="markers",
            marker={"color": color(number), "size": 9},
            showlegend=False,
            hovertemplate=f"{row['grokked']} of {row['runs']}<extra></extra>",
            row=2,
            col=2,
        )
    figure.update_xaxes(group_axis(found), row=2, col=2)
