"""Both ends of the Hessian's spectrum through training, over the accuracy."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokscope.analyses.hessian_checkpoint import converged
from grokscope.plots.base import analyzed, plot
from grokscope.plots.spectra import accuracy_at, checkpoints, columns, drawn_from, shades
from grokscope.plots.style import LIGHT, TEST, TRAIN, level_axis, template
from grokscope.store import Run
from grokscope.store.results import Result


@plot(
    label="Spectrum evolution",
    order=50,
    caption="The largest eigenvalues of the Hessian of the training loss and, below, the sizes of "
    "the most negative ones, at each checkpoint; above them the accuracy there. Open marks: "
    "eigenvalues that Lanczos had not found to a thousandth. From the analysis hessian_spectrum.",
    applies=analyzed("hessian_spectrum"),
)
@drawn_from("hessian_spectrum")
def spectrum_evolution(run: Run, result: Result) -> go.Figure:
    """Draw the eigenvalues at both ends against the checkpoint, with the accuracy above."""
    steps = columns(result)
    heights = [0.24, 0.44, 0.32]
    figure = make_subplots(3, 1, shared_xaxes=True, vertical_spacing=0.05, row_heights=heights)
    for side, color in (("train", TRAIN), ("test", TEST)):
        figure.add_scatter(
            x=steps,
            y=accuracy_at(run, result, side),
            name=side,
            line={"color": color, "width": 2},
            row=1,
            col=1,
        )
    for row, (name, sign) in enumerate((("top", 1), ("bottom", -1)), start=2):
        values = np.maximum(sign * result.arrays[name], 0).T
        symbols = np.where(converged(result.arrays, name), "circle", "circle-open").T
        least = 1e-12 * np.abs(result.arrays["top"]).max()
        # Outermost last, so that it lies above the others.
        for rank, color in zip(reversed(range(len(values))), shades(len(values)), strict=True):
            figure.add_scatter(
                x=steps,
                y=np.where(values[rank] > least, values[rank], np.nan),
                mode="lines+markers",
                name=f"{name} {rank + 1}",
                showlegend=False,
                line={"color": color, "width": 2 if rank == 0 else 1},
                marker={"size": 4 if rank == 0 else 3, "symbol": symbols[rank]},
                hovertemplate="%{y:.4g}",
                row=row,
                col=1,
            )
    figure.update_layout(template=template(LIGHT), height=620)
    axis = checkpoints()
    figure.update_xaxes(axis | {"title": None, "showticklabels": False})
    figure.update_xaxes(axis | {"showticklabels": True}, row=3, col=1)
    figure.update_yaxes(level_axis("Accuracy", log=False) | {"range": [-0.03, 1.06]}, row=1, col=1)
    figure.update_yaxes(level_axis("λ, largest", log=True), row=2, col=1)
    return figure.update_yaxes(level_axis("−λ, most negative", log=True), row=3, col=1)
