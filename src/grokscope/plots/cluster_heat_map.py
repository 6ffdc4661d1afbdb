"""Clusters of Hessian eigenvalues at every scale, through training."""

import numpy as np
import plotly.graph_objects as go

from grokscope.plots.base import analyzed, plot
from grokscope.plots.spectra import checkpoints, columns, drawn_from
from grokscope.plots.style import FONT, LIGHT, SHARES, level_axis, template
from grokscope.store import Run
from grokscope.store.results import Result


@plot(
    label="Clusters over scales",
    order=57,
    caption="n(ε), how many clusters of eigenvalues stay apart when those within ε are joined, for "
    "each checkpoint. A column with wide bands has eigenvalues far apart from the others. From the "
    "analysis spectral_dendrogram.",
    applies=analyzed("spectral_dendrogram"),
)
@drawn_from("spectral_dendrogram")
def cluster_heat_map(run: Run, result: Result) -> go.Figure:
    """Draw n(ε) as colors over checkpoints and scales."""
    counts = result.arrays["clusters"].T
    most = int(counts.max())
    ticks = [n for n in (1, 2, 3, 5, 10, 20, 40, 80, 160, 320) if n <= most]
    figure = go.Figure(
        go.Heatmap(
            x=columns(result),
            y=result.arrays["epsilons"],
            z=np.log(counts),
            customdata=counts,
            colorscale=SHARES,
            colorbar={
                "title": {"text": "n(ε)", "font": {"family": FONT}},
                "thickness": 12,
                "tickvals": [float(np.log(n)) for n in ticks],
                "ticktext": [str(n) for n in ticks],
            },
            hovertemplate="step %{x}<br>ε %{y:.3g}<br>%{customdata} clusters<extra></extra>",
        )
    )
    figure.update_layout(template=template(LIGHT), height=400, margin_t=24, hovermode="closest")
    figure.update_xaxes(checkpoints())
    return figure.update_yaxes(level_axis("Scale ε", log=True) | {"showgrid": False})
