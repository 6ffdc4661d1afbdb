"""How many clusters of Hessian eigenvalues stay apart at each scale."""

import plotly.graph_objects as go

from grokscope.plots.base import analyzed, plot
from grokscope.plots.spectra import columns, drawn_from, picked, shades
from grokscope.plots.style import LIGHT, level_axis, template
from grokscope.store import Run
from grokscope.store.results import Result


@plot(
    label="Clusters n(ε)",
    order=56,
    caption="How many clusters stay apart when eigenvalues within ε are joined, early checkpoints "
    "light and late ones dark. A flat stretch is a number of clusters that many scales agree on. "
    "From the analysis spectral_dendrogram.",
    applies=analyzed("spectral_dendrogram"),
)
@drawn_from("spectral_dendrogram")
def cluster_counts(run: Run, result: Result) -> go.Figure:
    """Draw n(ε) against ε as steps, one line a checkpoint, of at most six."""
    chosen = picked(result, 6)
    figure = go.Figure()
    for number, color in zip(chosen, shades(len(chosen)), strict=True):
        figure.add_scatter(
            x=result.arrays["epsilons"],
            y=result.arrays["clusters"][number],
            name=f"step {columns(result)[number]}",
            line={"color": color, "width": 2, "shape": "hv"},
            hovertemplate="%{y}",
        )
    figure.update_layout(template=template(LIGHT), height=400)
    figure.update_xaxes(level_axis("Scale ε", log=True))
    return figure.update_yaxes(level_axis("Clusters n(ε)", log=True))
