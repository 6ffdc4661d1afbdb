"""The density of the Hessian's spectrum at some checkpoints."""

import numpy as np
import plotly.graph_objects as go

from grokscope.analyses.hessian_spectrum import densities
from grokscope.plots.base import analyzed, plot
from grokscope.plots.spectra import columns, drawn_from, picked, shades
from grokscope.plots.style import LIGHT, level_axis, template
from grokscope.store import Run
from grokscope.store.results import Result

LOWEST = 1e-7
"""Where the axis ends, over the highest density: below is only the tail of a Gaussian."""


@plot(
    label="Spectral density",
    order=53,
    caption="The density of the eigenvalues, from all of them or by stochastic Lanczos quadrature, "
    "each step over its own largest |λ|, smoothed by Gaussians of width .01. Light is early, dark "
    "is late. From the analysis hessian_spectrum.",
    applies=analyzed("hessian_spectrum"),
)
@drawn_from("hessian_spectrum")
def spectral_density(run: Run, result: Result) -> go.Figure:
    """Draw the densities against the eigenvalue on a logarithmic axis."""
    grid, rows = densities(result)
    chosen = picked(result, 6)
    figure = go.Figure()
    for number, color in zip(chosen, shades(len(chosen)), strict=True):
        figure.add_scatter(
            x=grid,
            y=np.where(rows[number] > LOWEST * rows.max(), rows[number], np.nan),
            name=f"step {columns(result)[number]}",
            line={"color": color, "width": 1.8},
            hovertemplate="%{y:.3g}",
        )
    figure.update_layout(template=template(LIGHT), height=400)
    figure.update_xaxes(title_text="λ / max|λ| at that step")
    return figure.update_yaxes(level_axis("Density", log=True))
