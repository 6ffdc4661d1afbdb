"""Loss and accuracy over training, with the lookup baseline and the milestones."""

import math

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokscope.plots.base import plot, rows
from grokscope.plots.shading import shade
from grokscope.plots.style import LIGHT, TEST, TRAIN, decades, level_axis, template
from grokscope.store import Run


@plot(
    label="Training curves",
    order=0,
    caption="Accuracy above, task loss below, over steps on a logarithmic axis. The dotted line is "
    "what a table of the training pairs plus commutativity scores on the test set. Where the "
    "analysis phases was made, its phases are shaded.",
)
def training_curves(run: Run) -> go.Figure:
    """Draw accuracy and loss on train and test against the step."""
    curves = rows(
        run, "step", "train_acc", "test_acc", "train_loss", "test_loss", "lookup_baseline"
    )
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06)
    for row, kind in ((1, "acc"), (2, "loss")):
        for side, color in (("train", TRAIN), ("test", TEST)):
            figure.add_trace(
                go.Scatter(
                    x=curves["step"],
                    y=curves[f"{side}_{kind}"],
                    name=side,
                    legendgroup=side,
                    showlegend=row == 1,
                    line={"color": color, "width": 2},
                    hovertemplate="%{y:.4g}",
                ),
                row=row,
                col=1,
            )
    _mark_baseline(figure, curves["lookup_baseline"])
    status, last = run.status, max(curves["step"], default=0)
    _mark_step(figure, status.get("memorized_at"), "memorized", last=last)
    _mark_step(figure, status.get("grokked_at"), "grokked", last=last)
    figure.update_layout(template=template(LIGHT), height=560)
    figure.update_xaxes(decades("") | {"showticklabels": False}, row=1, col=1)
    figure.update_xaxes(decades(), row=2, col=1)
    figure.update_yaxes(level_axis("Accuracy", log=False) | {"range": [-0.03, 1.06]}, row=1, col=1)
    figure.update_yaxes(level_axis("Loss", log=True), row=2, col=1)
    return shade(figure, run, panels=2)


def _mark_baseline(figure: go.Figure, levels: list[float]) -> None:
    level = levels[-1] if levels else 0.0
    if level:
        figure.add_hline(
            y=level,
            line={"dash": "dot", "width": 1.2},
            annotation={"text": f"lookup {level:.2f}", "xanchor": "left", "yanchor": "bottom"},
            annotation_position="top left",
            row=1,
            col=1,
        )


def _mark_step(figure: go.Figure, step: int | None, label: str, *, last: float) -> None:
    """Mark a milestone; its words go to the side on which there is room."""
    if not step:
        return
    late = math.log(step) > 0.6 * math.log(max(last, 2))
    for row in (1, 2):
        figure.add_vline(x=step, line={"dash": "dash", "width": 1}, row=row, col=1)
    figure.add_annotation(
        x=math.log10(step),
        y=1.0,
        xref="x",
        yref="y domain",
        text=f"{label} {step:,}",
        showarrow=False,
        xanchor="right" if late else "left",
        yanchor="bottom",
        xshift=4 if late else -4,
    )
