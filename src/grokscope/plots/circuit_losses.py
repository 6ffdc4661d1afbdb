"""What the waves of the answer do for the loss: over training, and one frequency at a time."""

import math
from typing import Any

import plotly.graph_objects as go

from grokscope.plots.base import analyzed, plot
from grokscope.plots.shading import shade
from grokscope.plots.style import LIGHT, SERIES, TEST, TRAIN, decades, level_axis, template
from grokscope.store import Run

LINES = (
    ("train loss", "loss_train", TRAIN, "solid"),
    ("test loss", "loss_test", TEST, "solid"),
    ("restricted, test", "restricted_test", SERIES[2], "dash"),
    ("excluded, train", "excluded_train", SERIES[3], "dash"),
)


@plot(
    label="Restricted and excluded loss",
    order=20,
    caption="Restricted: the loss on test pairs if only the waves of the answer at the final key "
    "frequencies are kept. Excluded: the loss on training pairs if they are taken away. The "
    "restricted loss falls before the test loss does: the circuit works while memorization still "
    "hides it. The excluded loss falls while the network memorizes and rises as the circuit takes "
    "over. The dotted line is the loss of a guess, ln p. From the analysis fourier_circuit, at "
    "checkpoints.",
    applies=analyzed("fourier_circuit"),
)
def circuit_losses(run: Run) -> go.Figure:
    """Draw train, test, restricted and excluded loss at the checkpoints."""
    figure = go.Figure().update_layout(template=template(LIGHT), height=460)
    found = run.results().get("fourier_circuit")
    if found is None:
        return figure
    later = found.arrays["steps"] > 0
    smallest = math.inf
    for name, column, color, dash in LINES:
        values = found.arrays[column][later]
        smallest = min(smallest, *values[values > 0].tolist(), math.inf)
        figure.add_scatter(
            x=found.arrays["steps"][later].tolist(),
            y=values.tolist(),
            name=name,
            mode="lines+markers",
            marker={"size": 5},
            line={"color": color, "width": 2, "dash": dash},
            hovertemplate="%{y:.3g}",
        )
    guess = math.log(found.scalars["p"])
    figure.add_hline(y=guess, line={"dash": "dot", "width": 1.2})
    figure.add_annotation(
        text="guess", x=1.005, xref="paper", xanchor="left", y=math.log10(guess), showarrow=False
    )
    figure.update_layout(margin_r=56)
    steps = found.arrays["steps"][later]
    if len(steps) > 1:
        ends = [math.log10(steps[0]) - 0.1, math.log10(steps[-1]) + 0.05]
        figure.update_xaxes(range=ends)
    figure.update_xaxes(decades())
    figure.update_yaxes(_loss_axis(found.arrays))
    return shade(figure, run, hidden=smallest * 1e-6)


def _loss_axis(arrays: dict[str, Any]) -> dict[str, Any]:
    values = [v for _, column, *_ in LINES for v in arrays[column].tolist() if 0 < v < math.inf]
    if not values:
        return level_axis("Loss (nats)", log=True)
    ends = [math.log10(min(values)) - 0.2, math.log10(max(values)) + 0.3]
    return level_axis("Loss (nats)", log=True) | {"range": ends}


@plot(
    label="Without one frequency",
    order=21,
    caption="How many times larger the loss on all pairs is at the last checkpoint without the "
    "waves of the answer at one frequency. Key frequencies in orange: the network cannot do "
    "without any of them, and does not miss the others. From the analysis fourier_circuit.",
    applies=analyzed("fourier_circuit"),
)
def frequency_ablation(run: Run) -> go.Figure:
    """Draw the factor by which each frequency's ablation raises the loss."""
    figure = go.Figure().update_layout(template=template(LIGHT), height=360, hovermode="closest")
    figure.update_layout(margin_t=24)
    found = run.results().get("fourier_circuit")
    if found is None:
        return figure
    arrays = found.arrays
    factors = arrays["ablation_all"] / arrays["loss_all"][-1]
    keys = set(arrays["key_frequencies"].tolist())
    all_of = arrays["frequencies"].tolist()
    figure.add_bar(
        x=all_of,
        y=factors.tolist(),
        marker_color=[SERIES[1] if k in keys else SERIES[7] for k in all_of],
        width=0.8,
        hovertemplate="k %{x}<br>%{y:.3g} times<extra></extra>",
    )
    for k in sorted(keys):
        figure.add_annotation(
            x=k,
            y=math.log10(factors[k - 1]),
            text=f"{k}",
            showarrow=False,
            yanchor="bottom",
        )
    figure.update_xaxes(title_text="Frequency taken out")
    low = min(0.0, math.log10(max(float(factors.min()), 1e-3)))
    top = math.log10(float(factors.max())) * 1.1 + 0.2
    axis = level_axis("Loss over loss of the whole", log=True) | {"range": [low - 0.1, top]}
    return figure.update_yaxes(axis)
