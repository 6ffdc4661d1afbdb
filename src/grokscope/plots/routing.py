"""How a routed network uses its heads: over training, and pair by pair."""

import math

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokscope.plots.base import analyzed, measured, plot, rows
from grokscope.plots.heat import shares
from grokscope.plots.style import LIGHT, SERIES, decades, template
from grokscope.plots.text import plain
from grokscope.store import Run


@plot(
    label="Utilization of heads",
    order=40,
    caption="The mean routing weight of each head over the training examples, one row a head, the "
    "heads of a layer together.",
    applies=measured("utilization_gini"),
)
def head_utilization(run: Run) -> go.Figure:
    """Draw each head's mean weight as a row of colors over the steps."""
    names = [name for name in run.history.columns if name.startswith("utilization.")]
    found = rows(run, "step", *names)
    figure = go.Figure(
        shares(
            found["step"],
            [plain(name.removeprefix("utilization.")) for name in names],
            [found[name] for name in names],
            title="weight",
            hover="step %{x:,}<br>layer.head %{y}<br>weight %{z:.3f}",
        )
    )
    figure.update_layout(template=template(LIGHT), height=110 + 26 * max(len(names), 1))
    figure.update_xaxes(decades() | {"showgrid": False})
    return figure.update_yaxes(
        {"title": {"text": "Layer.head"}, "type": "category", "autorange": "reversed"}
    )


@plot(
    label="Dominant head of each pair",
    order=41,
    caption="The head with the largest routing weight for each pair of operands, one panel a "
    "layer, from the analysis routing_map. Heads have the colors of the legend.",
    applies=analyzed("routing_map"),
)
def dominant_heads(run: Run) -> go.Figure:
    """Draw a map of operands for each layer, colored by the head that weighs most."""
    found = run.results().get("routing_map")
    if found is None:
        return go.Figure().update_layout(template=template(LIGHT), height=320)
    dominant, operands = found.arrays["dominant"], found.arrays["operands"][:, :2]
    layers, heads = len(dominant), found.arrays["weights"].shape[-1]
    columns = min(layers, 3)
    titles = [f"layer {layer}" for layer in range(layers)]
    figure = make_subplots(math.ceil(layers / columns), columns, subplot_titles=titles)
    sides = operands.max(0) + 1
    colors = [SERIES[head % len(SERIES)] for head in range(heads)]
    for layer in range(layers):
        grid = np.full((sides[0], sides[1]), np.nan)
        grid[operands[:, 0], operands[:, 1]] = dominant[layer]
        z = [[None if np.isnan(v) else int(v) for v in row] for row in grid]
        figure.add_trace(
            go.Heatmap(
                x=list(range(sides[1])),
                y=list(range(sides[0])),
                z=z,
                zmin=-0.5,
                zmax=heads - 0.5,
                colorscale=_steps(colors),
                colorbar={"title": {"text": "head"}, "tickvals": list(range(heads))},
                showscale=layer == 0,
                hovertemplate="a %{y}, b %{x}<br>head %{z}<extra></extra>",
            ),
            row=layer // columns + 1,
            col=layer % columns + 1,
        )
    height = 80 + 300 * math.ceil(layers / columns)
    figure.update_layout(template=template(LIGHT), height=height, hovermode="closest")
    figure.update_xaxes(title_text="b", constrain="domain", showgrid=False)
    return figure.update_yaxes(title_text="a", showgrid=False, scaleanchor="x")


def _steps(colors: list[str]) -> list[list[float | str]]:
    """Return a color scale of equal steps, one a head."""
    n = len(colors)
    return [[(i + side) / n, color] for i, color in enumerate(colors) for side in (0, 1)]
