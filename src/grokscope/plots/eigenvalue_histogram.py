"""How many eigenvalues of the Hessian have which size, early, midway and late."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokscope.plots.base import plot
from grokscope.plots.spectra import columns, drawn_from, exact, nothing, picked
from grokscope.plots.style import LIGHT, SERIES, template
from grokscope.store import Run
from grokscope.store.results import Result

BINS = 48
DECADES = 14
"""Below this many decades under the largest |λ| what is left is rounding."""


@plot(
    label="Eigenvalue histogram",
    order=52,
    caption="Eigenvalues of the Hessian by the logarithm of their size, positive and negative ones "
    "apart, at some checkpoints. Those below 10⁻¹⁴ of the largest are rounding and are left out. "
    "From the analysis hessian_spectrum, exact.",
    applies=exact,
)
@drawn_from("hessian_spectrum")
def eigenvalue_histogram(run: Run, result: Result) -> go.Figure:
    """Draw one panel a checkpoint: counts of log₁₀|λ|."""
    if "eigenvalues" not in result.arrays:
        return nothing()
    chosen = picked(result, 4)
    values = result.arrays["eigenvalues"]
    high = float(np.log10(np.abs(values[chosen]).max())) + 0.1
    edges = np.linspace(high - DECADES, high, BINS + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    titles = [f"step {columns(result)[i]}" for i in chosen]
    figure = make_subplots(
        len(chosen), 1, shared_xaxes=True, subplot_titles=titles, vertical_spacing=0.08
    )
    for row, number in enumerate(chosen, start=1):
        for sign, name, color in ((1, "positive", SERIES[0]), (-1, "negative", SERIES[1])):
            own = sign * values[number]
            counts = np.histogram(np.log10(own[own > 0]), edges)[0]
            figure.add_bar(
                x=middles,
                y=counts,
                name=name,
                legendgroup=name,
                showlegend=row == 1,
                marker={"color": color, "line": {"width": 0}},
                opacity=0.7,
                hovertemplate="10^%{x:.1f}: %{y:,}",
                row=row,
                col=1,
            )
    figure.update_layout(
        template=template(LIGHT), height=120 + 150 * len(chosen), barmode="overlay", bargap=0.05
    )
    figure.update_layout(legend_y=1.02 + 0.16 / len(chosen))
    figure.update_annotations(font_size=12)
    figure.update_xaxes(title_text="log₁₀ |λ|", row=len(chosen), col=1)
    return figure.update_yaxes(title_text="Eigenvalues", rangemode="tozero")
