"""Accuracy, depth and grokking time of several runs over the weight of a penalty."""

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from grokscope.analyses.phase_diagram import by_weight
from grokscope.analyses.phase_diagram import phase_diagram as diagram_of
from grokscope.analyses.sweep import Findings
from grokscope.plots.base import sweep_plot
from grokscope.plots.groups import WIDE
from grokscope.plots.style import LIGHT, SERIES, level_axis, template
from grokscope.store import Runs


def _weights(found: Findings) -> list[str]:
    return [
        path
        for path in found.outcomes.varying
        if path.startswith("penalties.") and path.endswith(".weight")
    ]


@sweep_plot(
    label="Accuracy against depth",
    order=60,
    caption="Left: one ring a run; the dotted line joins the Pareto front, runs than which none "
    "is better in one of accuracy and depth and as good in the other. Right: means with Student "
    "intervals at 95 % over the weight of the penalty.",
    applies=lambda found: (
        bool(_weights(found))
        and all(member.number("effective_depth") is not None for member in found.outcomes.members)
    ),
)
def accuracy_against_depth(found: Findings) -> go.Figure:
    """Draw the phase diagram over the first weight of a penalty that varies."""
    runs = Runs(tuple(member.run for member in found.outcomes.members))
    diagram = diagram_of(runs, weight=_weights(found)[0])
    return phase_diagram(diagram, by_weight(diagram)).update_layout(meta=WIDE)


def phase_diagram(runs: pl.DataFrame, weights: pl.DataFrame) -> go.Figure:
    """Draw what `analyses.phase_diagram` found: its rows by run, and `by_weight` of them.

    Left: test accuracy over effective depth, one color a weight, rings so that equal runs stay
    visible, smaller for larger weights; the Pareto front joined. Right:
    both against the weight, their means with 95 % intervals; weight 0 stands left of the smallest.
    """
    titles = ("Accuracy over depth", "Over λ")
    specs = [[{}, {"secondary_y": True}]]
    figure = make_subplots(1, 2, subplot_titles=titles, specs=specs, horizontal_spacing=0.12)
    for number, weight in enumerate(weights["weight"]):
        own = runs.filter(pl.col("weight") == weight)
        figure.add_scatter(
            x=own["effective_depth"].to_list(),
            y=own["test_acc"].to_list(),
            mode="markers",
            name=f"λ = {weight:g}",
            marker={
                "color": SERIES[number % len(SERIES)],
                "symbol": "circle-open",
                "size": 6 + 3 * (len(weights) - number),
                "line": {"width": 2},
            },
            row=1,
            col=1,
        )
    front = runs.filter(pl.col("on_front")).sort("effective_depth")
    figure.add_scatter(
        x=front["effective_depth"].to_list(),
        y=front["test_acc"].to_list(),
        mode="lines",
        name="Pareto front",
        line={"color": SERIES[7], "width": 1.2, "dash": "dot"},
        row=1,
        col=1,
    )
    x = [f"{weight:g}" for weight in weights["weight"]]
    pairs = (("effective_depth", "depth", SERIES[0]), ("test_acc", "accuracy", SERIES[1]))
    for name, label, color in pairs:
        figure.add_scatter(
            x=x,
            y=weights[name].to_list(),
            error_y={
                "type": "data",
                "symmetric": False,
                "array": (weights[f"{name}_high"] - weights[name]).to_list(),
                "arrayminus": (weights[name] - weights[f"{name}_low"]).to_list(),
                "thickness": 1.2,
            },
            mode="lines+markers",
            name=label,
            line={"color": color, "width": 2},
            row=1,
            col=2,
            secondary_y=name == "test_acc",
        )
    figure.update_xaxes(title_text="Effective depth Σ g", rangemode="tozero", row=1, col=1)
    figure.update_yaxes(level_axis("Test accuracy", log=False), row=1, col=1)
    figure.update_xaxes(title_text="λ", type="category", row=1, col=2)
    depth = level_axis("Effective depth Σ g", log=False) | {"rangemode": "tozero"}
    figure.update_yaxes(depth, row=1, col=2, secondary_y=False)
    accuracy = level_axis("Test accuracy", log=False) | {
        "range": [-0.03, 1.06],
        "showgrid": False,
        "tickmode": "array",
        "tickvals": [0, 0.2, 0.4, 0.6, 0.8, 1],
    }
    figure.update_yaxes(accuracy, row=1, col=2, secondary_y=True)
    figure.update_yaxes(title_font_color=SERIES[0], row=1, col=2, secondary_y=False)
    figure.update_yaxes(title_font_color=SERIES[1], row=1, col=2, secondary_y=True)
    figure.update_traces(cliponaxis=False)
    return figure.update_layout(
        template=template(LIGHT), height=420, margin_t=90, legend_y=1.14, hovermode="closest"
    )
