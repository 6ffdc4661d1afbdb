"""The gates of a depth-gated network over training, and the depth they leave in use."""

import math

import plotly.graph_objects as go

from grokscope.plots.base import measured, plot, rows
from grokscope.plots.heat import shares
from grokscope.plots.style import LATER, LIGHT, SERIES, decades, level_axis, template
from grokscope.plots.text import plain
from grokscope.store import Run


@plot(
    label="Gates over training",
    order=30,
    caption="The mean gate of each layer over the training examples, one row a layer.",
    applies=measured("gate_values"),
)
def gate_evolution(run: Run) -> go.Figure:
    """Draw each layer's gate as a row of colors over the steps."""
    names = _columns(run, "gate_values.")
    found = rows(run, "step", *names)
    figure = go.Figure(
        shares(
            found["step"],
            [plain(name.rpartition(".")[2]) for name in names],
            [found[name] for name in names],
            title="gate",
            hover="step %{x:,}<br>layer %{y}<br>gate %{z:.3f}",
        )
    )
    figure.update_layout(template=template(LIGHT), height=110 + 44 * max(len(names), 1))
    figure.update_xaxes(decades() | {"showgrid": False})
    return figure.update_yaxes(
        {"title": {"text": "Layer"}, "type": "category", "autorange": "reversed"}
    )


@plot(
    label="Effective depth over accuracy",
    order=31,
    caption="Each point is a measurement: the sum of the gates against test accuracy. Color is the "
    "step, early light, late dark.",
    applies=measured("effective_depth"),
)
def depth_over_accuracy(run: Run) -> go.Figure:
    """Draw the path of a run in the plane of test accuracy and effective depth."""
    found = rows(run, "step", "test_acc", "effective_depth")
    figure = go.Figure(
        go.Scatter(
            x=found["test_acc"] if found["effective_depth"] else [],
            y=found["effective_depth"],
            mode="lines+markers",
            line={"color": SERIES[7], "width": 1},
            marker={
                "size": 7,
                "color": [math.log10(step) for step in found["step"]],
                "colorscale": LATER,
                "colorbar": {"title": {"text": "log₁₀ step"}, "thickness": 12},
            },
            customdata=found["step"],
            hovertemplate="step %{customdata:,}<br>%{x:.3f}<br>depth %{y:.3f}<extra></extra>",
        )
    )
    figure.update_layout(template=template(LIGHT), height=380, margin_t=24, hovermode="closest")
    figure.update_xaxes(level_axis("Test accuracy", log=False) | {"range": [-0.03, 1.03]})
    return figure.update_yaxes(
        level_axis("Effective depth Σ g", log=False) | {"rangemode": "tozero"}
    )


def _columns(run: Run, start: str) -> list[str]:
    """Return the columns of the history that begin so, in the order in which they were measured."""
    return [name for name in run.history.columns if name.startswith(start)]
