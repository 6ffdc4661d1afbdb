"""Every other measured quantity over training, one panel a metric."""

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokscope.metrics import METRICS
from grokscope.plots.base import plot, rows
from grokscope.plots.style import LIGHT, SERIES, decades, level_axis, template
from grokscope.store import Run


@plot(label="Measured quantities", order=10, caption="One panel a metric.")
def measured_quantities(run: Run) -> go.Figure:
    """Draw each metric of the run's configuration against the step, in a panel of its own."""
    shown = [METRICS[name] for name in run.config.measure.metrics]
    curves = rows(run, "step", *(metric.name for metric in shown))
    figure = make_subplots(
        rows=max(len(shown), 1), cols=1, shared_xaxes=True, vertical_spacing=0.05
    )
    for row, metric in enumerate(shown, start=1):
        figure.add_trace(
            go.Scatter(
                x=curves["step"],
                y=curves[metric.name],
                name=metric.label,
                showlegend=False,
                line={"color": SERIES[2], "width": 2},
                hovertemplate="%{y:.4g}",
            ),
            row=row,
            col=1,
        )
        log = metric.scale == "log"
        figure.update_yaxes(level_axis(metric.label, log=log), row=row, col=1)
        figure.update_xaxes(decades("Step" if row == len(shown) else ""), row=row, col=1)
    figure.update_layout(
        template=template(LIGHT), height=70 + 190 * max(len(shown), 1), margin_t=24
    )
    return figure
