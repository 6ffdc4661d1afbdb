"""The embedding, the hidden units and the logits of a run in the Fourier basis."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokscope.plots.base import analyzed, plot
from grokscope.plots.style import FONT, LIGHT, SERIES, SHARES, template
from grokscope.store import Run


@plot(
    label="Embedding in the Fourier basis",
    order=23,
    caption="Left, how much of each dimension of the embedding of a is cos and sin of frequency k, "
    "at the last checkpoint. Right, the share of each frequency in the embedding's energy, at the "
    "first and the last checkpoint. A network that has found the rule keeps few frequencies. From "
    "the analysis fourier_circuit.",
    applies=analyzed("fourier_circuit"),
)
def embedding_waves_map(run: Run) -> go.Figure:
    """Draw the norm of each frequency in each dimension, beside the share of each frequency."""
    figure = make_subplots(1, 2, column_widths=[0.68, 0.32], shared_yaxes=True)
    figure.update_layout(template=template(LIGHT), height=460, hovermode="closest")
    found = run.results().get("fourier_circuit")
    if found is None:
        return figure
    waves, k = found.arrays["embedding_map"], found.arrays["frequencies"]
    squares = np.square(waves)
    sines = squares[2::2]
    norms = squares[1::2].copy()
    norms[: len(sines)] += sines
    figure.add_trace(
        go.Heatmap(
            x=list(range(waves.shape[1])),
            y=k.tolist(),
            z=np.sqrt(norms).tolist(),
            colorscale=SHARES,
            zmin=0,
            colorbar=_bar("norm"),
            hovertemplate="dimension %{x}<br>k %{y}<br>norm %{z:.3f}<extra></extra>",
        ),
        row=1,
        col=1,
    )
    shares = found.arrays["embedding_shares"]
    for name, row, color in (
        ("first checkpoint", 0, SERIES[7]),
        ("last checkpoint", -1, SERIES[0]),
    ):
        figure.add_trace(
            go.Scatter(
                x=shares[row].tolist(),
                y=k.tolist(),
                name=name,
                line={"color": color, "width": 2},
                hovertemplate="k %{y}<br>%{x:.3f}<extra></extra>",
            ),
            row=1,
            col=2,
        )
    figure.update_xaxes(title_text="Dimension of the embedding", showgrid=False, row=1, col=1)
    figure.update_xaxes(title_text="Share of the energy", rangemode="tozero", row=1, col=2)
    ticks = _ticks(found.arrays["key_frequencies"].tolist(), k.tolist())
    figure.update_yaxes(**ticks, showgrid=False, range=[0.5, len(k) + 0.5])
    figure.update_yaxes(title_text="Frequency k", row=1, col=1)
    return figure


@plot(
    label="Logits in the Fourier basis",
    order=24,
    caption="How much of the logits over all pairs is a wave of frequency k in a times one of "
    "frequency l in b, at the last checkpoint, constant left out. A network that adds by turning "
    "circles has its logits on the diagonal, at its key frequencies. From the analysis "
    "fourier_circuit.",
    applies=analyzed("fourier_circuit"),
)
def logit_waves_map(run: Run) -> go.Figure:
    """Draw the root of the share of each pair of frequencies in the logits."""
    figure = go.Figure().update_layout(template=template(LIGHT), height=560, hovermode="closest")
    found = run.results().get("fourier_circuit")
    if found is None:
        return figure
    shares = found.arrays["logit_map"]
    k = list(range(len(shares)))
    figure.add_trace(
        go.Heatmap(
            x=k,
            y=k,
            z=shares.tolist(),
            colorscale=SHARES,
            zmin=0,
            colorbar=_bar("√ share"),
            hovertemplate="k of a %{y}, of b %{x}<br>%{z:.3f}<extra></extra>",
        )
    )
    ticks = _ticks(found.arrays["key_frequencies"].tolist(), k)
    axis = {**ticks, "showgrid": False, "constrain": "domain"}
    figure.update_xaxes(title_text="Frequency in b", tickangle=-90, **axis)
    return figure.update_yaxes(title_text="Frequency in a", scaleanchor="x", **axis)


@plot(
    label="Frequencies of the hidden units",
    order=22,
    caption="Left, how many hidden units have most of their variation in frequency k; those in the "
    "darker color have at least the stated share of it there and count. Right, the share of each "
    "unit, largest first, with that threshold. From the analysis fourier_circuit.",
    applies=lambda run: "unit_share" in _arrays(run),
)
def unit_frequencies(run: Run) -> go.Figure:
    """Draw units by frequency, and the sorted shares of their frequencies."""
    figure = make_subplots(1, 2, column_widths=[0.6, 0.4], horizontal_spacing=0.12)
    figure.update_layout(template=template(LIGHT), height=380, barmode="stack", hovermode="closest")
    arrays = _arrays(run)
    if "unit_share" not in arrays:
        return figure
    share = run.results()["fourier_circuit"].scalars["share"]
    k, best = arrays["frequencies"], arrays["unit_share"]
    alive, counts = best > 0, best >= share
    for name, chosen, color in (
        (f"share ≥ {share:g}", counts, SERIES[0]),
        ("less", alive & ~counts, "#b9d3ea"),
    ):
        numbers = [int((arrays["unit_frequency"][chosen] == number).sum()) for number in k]
        bars = go.Bar(x=k.tolist(), y=numbers, name=name, marker_color=color, width=0.8)
        figure.add_trace(bars, row=1, col=1)
    ranked = np.sort(best)[::-1]
    figure.add_trace(
        go.Scatter(
            x=list(range(1, len(ranked) + 1)),
            y=ranked.tolist(),
            showlegend=False,
            line={"color": SERIES[0], "width": 2},
            hovertemplate="unit %{x}<br>share %{y:.3f}<extra></extra>",
        ),
        row=1,
        col=2,
    )
    figure.add_hline(y=share, line={"dash": "dot", "width": 1.2}, row=1, col=2)
    figure.update_xaxes(
        title_text="Frequency k",
        tickangle=-90,
        **_ticks(arrays["key_frequencies"].tolist(), k.tolist()),
        row=1,
        col=1,
    )
    figure.update_xaxes(title_text="Unit, by share", row=1, col=2)
    figure.update_yaxes(title_text="Hidden units", row=1, col=1)
    return figure.update_yaxes(title_text="Share", range=[0, 1.03], row=1, col=2)


def _arrays(run: Run) -> dict[str, np.ndarray]:
    found = run.results().get("fourier_circuit")
    return {} if found is None else found.arrays


def _ticks(keys: list[int], all_of: list[int]) -> dict[str, list[Any]]:
    """Return which frequencies an axis labels: the key frequencies, near ones in one label."""
    room = max(len(all_of) // 28, 1)
    if not keys:
        values = all_of[:: 5 * room]
        return {"tickvals": values, "ticktext": [str(k) for k in values]}
    groups: list[list[int]] = []
    for k in keys:
        if groups and k - groups[-1][-1] < room:
            groups[-1].append(k)
        else:
            groups.append([k])
    texts = [", ".join(map(str, group)) for group in groups]
    return {"tickvals": [sum(group) / len(group) for group in groups], "ticktext": texts}


def _bar(title: str) -> dict[str, object]:
    return {"title": {"text": title, "font": {"family": FONT}}, "thickness": 12}
