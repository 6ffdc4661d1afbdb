"""How smooth the network's function of all pairs is, over training."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokscope.plots.base import analyzed, plot
from grokscope.plots.style import FONT, LIGHT, SERIES, SHARES, decades, template
from grokscope.plots.text import plain
from grokscope.store import Run


@plot(
    label="Torus energy over training",
    order=25,
    caption="The energy of the network's function of all pairs, by eigenvalue of the torus "
    "Laplacian: 0 is constant, 2 changes sign with every step. Above as the residues are labeled, "
    "in the middle after the relabeling a → ka that makes the last checkpoint smoothest. Below, "
    "the share of the low modes in both, and the entropy of the spectrum: a network that has found "
    "the rule concentrates in few modes, wherever they lie. From the analysis laplacian_spectrum, "
    "at checkpoints.",
    applies=analyzed("laplacian_spectrum"),
)
def torus_energy(run: Run) -> go.Figure:
    """Draw shares of energy by band of eigenvalue over steps, and the numbers that sum them up."""
    found = run.results().get("laplacian_spectrum")
    titles = ["As labeled", "Best relabeling", ""]
    if found is not None:
        titles[1] = f"After a → {plain(found.scalars['best_k'])}a, the best at the last checkpoint"
    figure = make_subplots(
        3, 1, shared_xaxes=True, vertical_spacing=0.07, row_heights=[0.36, 0.36, 0.28],
        subplot_titles=titles,
    )  # fmt: skip
    figure.update_layout(template=template(LIGHT), height=760, hovermode="closest")
    figure.update_annotations(font_size=13)
    if found is None:
        return figure
    arrays = found.arrays
    later = arrays["steps"] > 0
    steps = arrays["steps"][later].tolist()
    bands = arrays["bands"].shape[1]
    centers = [(i + 0.5) * 2 / bands for i in range(bands)]
    top = float(max(arrays["bands"][later].max(), arrays["best_bands"][later].max()))
    for row, name in ((1, "bands"), (2, "best_bands")):
        figure.add_trace(
            go.Heatmap(
                x=steps,
                y=centers,
                z=arrays[name][later].T.tolist(),
                zmin=0,
                zmax=top,
                colorscale=SHARES,
                showscale=row == 1,
                colorbar={
                    "title": {"text": "share", "font": {"family": FONT}},
                    "thickness": 12,
                    "len": 0.36,
                    "y": 1,
                    "yanchor": "top",
                },
                hovertemplate="step %{x:,}<br>eigenvalue %{y:.2f}<br>share %{z:.3f}<extra></extra>",
            ),
            row=row,
            col=1,
        )
        figure.update_yaxes(title_text="Eigenvalue", showgrid=False, row=row, col=1)
    for name, column, color in (
        ("low share", "low_share", SERIES[0]),
        ("low share, best relabeling of each step", "best_low_share", SERIES[1]),
        ("spectral entropy", "entropy", SERIES[2]),
    ):
        values = np.asarray(arrays[column][later])
        figure.add_trace(
            go.Scatter(x=steps, y=values.tolist(), name=name, line={"color": color, "width": 2}),
            row=3,
            col=1,
        )
    figure.update_layout(legend={"y": -0.09, "yanchor": "top"}, margin_b=84, margin_t=40)
    for row, label in ((1, ""), (2, ""), (3, "Step")):
        figure.update_xaxes(decades(label) | {"showticklabels": row == 3}, row=row, col=1)
    return figure.update_yaxes(range=[-0.03, 1.03], title_text="Share, entropy", row=3, col=1)
