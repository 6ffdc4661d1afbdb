"""The gaps between neighboring Hessian eigenvalues, sorted."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokscope.plots.base import analyzed, plot
from grokscope.plots.spectra import columns, drawn_from, picked, shades
from grokscope.plots.style import LIGHT, level_axis, template
from grokscope.store import Run
from grokscope.store.results import Result


@plot(
    label="Gap bar code",
    order=56,
    caption="The gaps between neighboring eigenvalues, largest on top: a bar is the range of ε "
    "over which a cluster lives before it is joined to another. From the analysis "
    "spectral_dendrogram.",
    applies=analyzed("spectral_dendrogram"),
)
@drawn_from("spectral_dendrogram")
def gap_bar_code(run: Run, result: Result) -> go.Figure:
    """Draw the sorted gaps of four checkpoints as bars on a logarithmic axis."""
    chosen = picked(result, 4)
    gaps = result.arrays["gaps"]
    low = 0.5 * gaps[gaps > 1e-12 * gaps.max()].min(initial=gaps.max() or 1.0)
    titles = [f"step {columns(result)[i]}" for i in chosen]
    figure = make_subplots(
        1, len(chosen), subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.04
    )
    ranks = np.arange(1, gaps.shape[1] + 1)
    for col, (number, color) in enumerate(zip(chosen, shades(len(chosen)), strict=True), start=1):
        figure.add_bar(
            x=np.maximum(gaps[number], low),
            y=ranks,
            orientation="h",
            marker={"color": color, "line": {"width": 0}},
            hovertemplate="gap %{y}: %{x:.3g}<extra></extra>",
            row=1,
            col=col,
        )
    figure.update_annotations(font_size=12)
    figure.update_layout(
        template=template(LIGHT), height=420, showlegend=False, bargap=0.25, hovermode="closest"
    )
    reach = [float(np.log10(low)), float(np.log10(gaps.max() or 1.0)) + 0.1]
    figure.update_xaxes(level_axis("gap ε", log=True) | {"range": reach, "dtick": 2})
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure.update_yaxes(title_text="Rank of the gap", row=1, col=1)
