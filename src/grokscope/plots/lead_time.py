"""How long before grokking each measure raised an alarm, and how often without grokking."""

import plotly.graph_objects as go
import polars as pl

from grokscope.plots.style import LIGHT, SERIES, template

NAMED = 26
"""Measures that are shown: those that saw most come."""


def lead_time(table: pl.DataFrame) -> go.Figure:
    """Draw what `analyses.lead_time` found, one row a measure, the best on top.

    A dot is a grokking run, the bar the median of its lead in steps; a measure that gave a false
    alarm among null runs is orange, and the number of them stands beside its name.
    """
    shown = table.filter(pl.col("detected") > 0).head(NAMED)
    names = [f"{row['column']}  ({row['false_alarms']}/{row['null']})" for row in shown.to_dicts()]
    clean = [row["false_alarms"] == 0 for row in shown.to_dicts()]
    figure = go.Figure()
    for wanted, label, color in (
        (True, "no false alarm", SERIES[0]),
        (False, "false alarms among null runs", SERIES[1]),
    ):
        rows = [i for i, is_clean in enumerate(clean) if is_clean is wanted]
        figure.add_bar(
            x=[shown["lead"][i] for i in rows],
            y=[names[i] for i in rows],
            orientation="h",
            name=f"median lead, {label}",
            marker={"color": color, "opacity": 0.45},
            hovertemplate="median lead %{x:,} steps",
        )
        points = [(lead, names[i]) for i in rows for lead in shown["leads"][i]]
        figure.add_scatter(
            x=[lead for lead, _ in points],
            y=[name for _, name in points],
            mode="markers",
            marker={"color": color, "size": 7},
            showlegend=False,
            hovertemplate="%{x:,} steps",
        )
    figure.update_xaxes(
        title_text="Lead before the sustained crossing of .99 (steps)",
        tickformat=",",
        rangemode="tozero",
    )
    figure.update_yaxes(
        categoryorder="array", categoryarray=names[::-1], tickfont={"size": 11}, automargin=True
    )
    return figure.update_layout(
        template=template(LIGHT),
        height=120 + 22 * max(len(names), 1),
        bargap=0.35,
        barmode="overlay",
        hovermode="closest",
    )
