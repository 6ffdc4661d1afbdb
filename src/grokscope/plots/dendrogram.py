"""Dendrograms of the largest Hessian eigenvalues: a grid of checkpoints, and an animation."""

import math

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokscope.plots.base import analyzed, plot
from grokscope.plots.spectra import columns, drawn_from, picked
from grokscope.plots.style import LIGHT, SERIES, template
from grokscope.store import Run
from grokscope.store.results import Result

Array = npt.NDArray[np.float64]


@plot(
    label="Dendrograms",
    order=54,
    caption="Single linkage of the Hessian eigenvalues of largest size: each stands at its value, "
    "and two clusters are joined at the height of the gap between them. From the analysis "
    "spectral_dendrogram.",
    applies=analyzed("spectral_dendrogram"),
)
@drawn_from("spectral_dendrogram")
def dendrogram_snapshots(run: Run, result: Result) -> go.Figure:
    """Draw the dendrograms of six checkpoints."""
    chosen = picked(result, 6)
    wide = min(len(chosen), 3)
    tall = math.ceil(len(chosen) / wide)
    titles = [f"step {columns(result)[i]}" for i in chosen]
    figure = make_subplots(
        tall, wide, subplot_titles=titles, vertical_spacing=0.2, horizontal_spacing=0.09
    )
    for place, number in enumerate(chosen):
        row, col = place // wide + 1, place % wide + 1
        figure.add_trace(_tree(result, number), row=row, col=col)
        reach = _padded(result.arrays["leaves"][number])
        figure.update_xaxes(title_text="λ" if row == tall else "", range=reach, row=row, col=col)
        figure.update_yaxes(title_text="gap ε" if col == 1 else "", row=row, col=col)
    figure.update_annotations(font_size=12)
    figure.update_layout(
        template=template(LIGHT), height=90 + 250 * tall, showlegend=False, hovermode="closest"
    )
    plain = {"nticks": 5, "exponentformat": "power", "showexponent": "last"}
    figure.update_xaxes(plain)
    return figure.update_yaxes(plain | {"rangemode": "tozero"})


@plot(
    label="Dendrogram through training",
    order=55,
    caption="The same dendrogram, checkpoint by checkpoint, each over its own largest |λ| and gap: "
    "play it, or move the slider.",
    applies=analyzed("spectral_dendrogram"),
)
@drawn_from("spectral_dendrogram")
def dendrogram_animation(run: Run, result: Result) -> go.Figure:
    """Draw one frame a checkpoint, with a slider and buttons."""
    names = columns(result)
    trees = [_tree(result, i, whole=True) for i in range(len(names))]
    frames = [go.Frame(data=[tree], name=name) for tree, name in zip(trees, names, strict=True)]
    figure = go.Figure(data=trees[-1:], frames=frames)
    now = {"mode": "immediate", "frame": {"duration": 0}, "transition": {"duration": 0}}
    play = {"fromcurrent": True, "frame": {"duration": 400}, "transition": {"duration": 0}}
    moves = [{"label": name, "method": "animate", "args": [[name], now]} for name in names]
    buttons = [
        {"label": "Play", "method": "animate", "args": [None, play]},
        {"label": "Pause", "method": "animate", "args": [[None], now]},
    ]
    slider = {
        "active": len(names) - 1,
        "steps": moves,
        "currentvalue": {"prefix": "step ", "xanchor": "right"},
        "pad": {"t": 46},
        "x": 0.16,
        "len": 0.84,
        "ticklen": 0,
        "minorticklen": 0,
        "font": {"color": "rgba(0,0,0,0)", "size": 1},
    }
    slider["currentvalue"]["font"] = {"size": 13, "color": LIGHT.muted}  # type: ignore[index]
    menu = {
        "type": "buttons",
        "direction": "left",
        "buttons": buttons,
        "x": 0,
        "y": 0,
        "xanchor": "left",
        "yanchor": "top",
        "pad": {"t": 62},
        "showactive": False,
    }
    leaves = result.arrays["leaves"] / np.abs(result.arrays["leaves"]).max(1, keepdims=True)
    figure.update_layout(
        template=template(LIGHT),
        height=480,
        meta={"min_width": 560},
        hovermode="closest",
        sliders=[slider],
        updatemenus=[menu],
        margin={"t": 24, "b": 110},
    )
    figure.update_xaxes(title_text="λ / max|λ| at that step", range=_padded(leaves))
    return figure.update_yaxes(title_text="gap ε / largest gap", range=[0, 1.05])


def _padded(leaves: Array) -> list[float]:
    """Return a range that keeps the outermost lines off the frame."""
    low, high = float(leaves.min()), float(leaves.max())
    margin = 0.04 * (high - low)
    return [low - margin, high + margin]


def _tree(result: Result, number: int, *, whole: bool = False) -> go.Scatter:
    """Return the dendrogram of one checkpoint as a line with gaps.

    whole: over its largest |λ| and gap, where neither is 0.
    """
    leaves, tree = result.arrays["leaves"][number], result.arrays["linkage"][number]
    x, y = branches(leaves, tree)
    if whole:
        x = x / (float(np.abs(leaves).max()) or 1.0)
        y = y / (float(tree[:, 2].max()) or 1.0)
    return go.Scatter(
        x=x,
        y=y,
        mode="lines",
        line={"color": SERIES[0], "width": 1.4},
        connectgaps=False,
        hovertemplate="λ %{x:.4g}<br>gap %{y:.3g}<extra></extra>",
    )


def branches(leaves: Array, tree: Array) -> tuple[Array, Array]:
    """Return the lines of a dendrogram whose leaves stand at their values.

    Each joining is four points and a gap: up from the left cluster, across, down to the right one.
    A cluster stands midway between the two it joins.
    """
    place = [float(x) for x in leaves]
    height = [0.0] * len(leaves)
    xs: list[float] = []
    ys: list[float] = []
    for left, right, distance, _ in tree:
        a, b = sorted((int(left), int(right)), key=lambda k: place[k])
        xs += [place[a], place[a], place[b], place[b], math.nan]
        ys += [height[a], distance, distance, height[b], math.nan]
        place.append((place[a] + place[b]) / 2)
        height.append(float(distance))
    return np.array(xs), np.array(ys)
