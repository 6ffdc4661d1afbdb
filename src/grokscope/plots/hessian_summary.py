"""The Hessian through training in six panels."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokscope.plots.base import analyzed, plot
from grokscope.plots.spectra import accuracy_at, checkpoints, columns, drawn_from
from grokscope.plots.style import LIGHT, SERIES, TEST, TRAIN, level_axis, template
from grokscope.plots.text import plain
from grokscope.store import Run
from grokscope.store.results import Result

TITLES = (
    "Accuracy",
    "Largest and most negative λ",
    "Trace",
    "Negative eigenvalues",
    "Spectral entropy, nats",
    "Top eigenvector by tensor",
)


@plot(
    label="Hessian summary",
    order=51,
    caption="At each checkpoint: accuracy; the eigenvalues of the Hessian at both ends, the "
    "negative one by its size; its trace; how many eigenvalues are negative; the entropy of "
    "|λ|/Σ|λ|; and the share of each tensor in the top eigenvector's squared norm. "
    "From the analysis hessian_spectrum.",
    applies=analyzed("hessian_spectrum"),
)
@drawn_from("hessian_spectrum")
def hessian_summary(run: Run, result: Result) -> go.Figure:
    """Draw accuracy, ends, trace, negative eigenvalues, entropy and shares over checkpoints."""
    arrays, steps = result.arrays, columns(result)
    figure = make_subplots(
        3, 2, subplot_titles=TITLES, vertical_spacing=0.13, horizontal_spacing=0.12
    )

    def line(row: int, col: int, y: Any, name: str, color: str, legend: str = "legend") -> None:
        figure.add_scatter(
            x=steps,
            y=y,
            name=name,
            legend=legend,
            showlegend=bool(name),
            mode="lines+markers",
            line={"color": color, "width": 2},
            marker={"size": 4},
            row=row,
            col=col,
        )

    line(1, 1, accuracy_at(run, result, "train"), "train", TRAIN)
    line(1, 1, accuracy_at(run, result, "test"), "test", TEST)
    for name, sign, color in (("top", 1, SERIES[0]), ("bottom", -1, SERIES[1])):
        sizes = sign * arrays[name][:, 0]
        words = {"top": "λ max", "bottom": "−λ min"}[name]
        line(1, 2, np.where(sizes > 0, sizes, np.nan), words, color, "legend2")
    line(2, 1, arrays["trace"], "", SERIES[2])
    line(2, 2, arrays["negative"], "", SERIES[3])
    line(3, 1, arrays["entropy"], "", SERIES[4])
    _shares(figure, result, steps)
    figure.update_annotations(font_size=13)
    figure.update_layout(
        template=template(LIGHT), height=860, meta={"min_width": 760}, barmode="stack", bargap=0.1
    )
    small = {"font": {"size": 11}, "bgcolor": "rgba(0,0,0,0)", "borderwidth": 0}
    under = small | {"orientation": "h", "yanchor": "top", "xanchor": "left", "y": 0.718}
    figure.update_layout(
        legend=under | {"x": 0.0},
        legend2=under | {"x": 0.56},
        legend3=small | {"x": 0.56, "y": -0.09, "yanchor": "top", "orientation": "h"},
        margin_b=110,
        margin_t=48,
    )
    figure.update_xaxes(checkpoints() | {"title": None, "nticks": 5})
    figure.update_xaxes(title_text="Step, one column a checkpoint", row=3, col=1)
    figure.update_yaxes(range=[-0.03, 1.06], row=1, col=1)
    figure.update_yaxes(level_axis("", log=True), row=1, col=2)
    figure.update_yaxes(rangemode="tozero", row=2)
    return figure.update_yaxes(range=[0, 1.06], row=3, col=2)


def _shares(figure: go.Figure, result: Result, steps: list[str]) -> None:
    names = [plain(str(name).removesuffix(".weight")) for name in result.arrays["tensors"]]
    owned = result.arrays["top_shares"][:, 0].T
    for number, (name, row) in enumerate(zip(names, owned, strict=True)):
        figure.add_bar(
            x=steps,
            y=row,
            name=name.removeprefix("blocks.0."),
            legend="legend3",
            marker={"color": SERIES[number % len(SERIES)], "line": {"width": 0}},
            hovertemplate="%{y:.3f}",
            row=3,
            col=2,
        )
