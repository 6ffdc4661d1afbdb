"""Grokking time against a number of the configuration, such as λ or the weight decay (A9)."""

import math

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokscope.analyses.outcomes import Group, short, shown
from grokscope.analyses.slopes import lines, numeric
from grokscope.analyses.sweep import Findings
from grokscope.plots.base import sweep_plot
from grokscope.plots.groups import WIDE, color
from grokscope.plots.style import LIGHT, UNSEEN, template
from grokscope.plots.text import plain

MOST = 3
"""Panels at most, one a number that varies."""


@sweep_plot(
    label="Grokking time over a number",
    order=50,
    caption="Both axes are logarithmic. Dots are runs, open triangles runs that had not grokked by "
    "then; a line joins the Kaplan-Meier medians that were reached and is labeled with the slope "
    "of ln T on ln λ. Groups at 0 have no place here.",
    applies=lambda found: bool(found.summary["slopes"]),
)
def time_over_number(found: Findings) -> go.Figure:
    """Draw grokking time against each number that varies, one line for each choice of the rest."""
    paths = numeric(found.outcomes)[:MOST]
    figure = make_subplots(1, len(paths), horizontal_spacing=0.12)
    for col, path in enumerate(paths, start=1):
        values = set()
        for number, (fixed, cells) in enumerate(lines(found.outcomes, path)):
            words = ", ".join(f"{short(p, fixed)}={shown(v)}" for p, v in fixed.items())
            positive = [(x, group) for x, group in cells if x > 0]
            values |= {x for x, _ in positive}
            _medians(figure, found, path, fixed, words, number, col)
            _runs(figure, positive, number, col)
        log = {"type": "log", "showgrid": True}
        ticks = {"tickvals": sorted(values), "ticktext": [shown(x) for x in sorted(values)]}
        title = {"title": {"text": plain(short(path, found.outcomes.varying))}}
        figure.update_xaxes(log | ticks | title, row=1, col=col)
        figure.update_yaxes(log | _ticks(found), row=1, col=col)
    figure.update_yaxes({"title": {"text": "Grokking time (steps)"}}, row=1, col=1)
    figure.update_layout(meta=WIDE if len(paths) > 1 else {})
    return figure.update_layout(template=template(LIGHT), height=440, hovermode="closest")


def _medians(
    figure: go.Figure,
    found: Findings,
    path: str,
    fixed: dict[str, object],
    words: str,
    number: int,
    col: int,
) -> None:
    slope = next(
        (s for s in found.summary["slopes"] if s["path"] == path and s["at"] == fixed), None
    )
    by = {group["label"]: group["median"] for group in found.summary["groups"]}
    points = [
        (x, by[group.label or "all runs"])
        for x, group in dict(lines(found.outcomes, path)[number][1]).items()
        if x > 0
    ]
    points = [(x, t) for x, t in points if math.isfinite(t)]
    known = slope is not None and math.isfinite(slope["slope"])
    told = f"slope {slope['slope']:.2f}" if known and slope else "no slope"
    if known and slope and math.isfinite(slope["low"]):
        told += f" [{slope['low']:.2f}, {slope['high']:.2f}]"
    figure.add_scatter(
        x=[x for x, _ in points],
        y=[t for _, t in points],
        mode="lines+markers",
        name=plain(f"{words}: {told}" if words else told),
        line={"color": color(number), "width": 2},
        marker={"symbol": "line-ew-open", "size": 18, "line": {"width": 2.5}},
        hovertemplate="median %{y:,}<extra></extra>",
        row=1,
        col=col,
    )


def _runs(figure: go.Figure, cells: list[tuple[float, Group]], number: int, col: int) -> None:
    times = [(x, *m.time("grokked_at"), m.run.name) for x, group in cells for m in group.members]
    for symbol, wanted in (("circle", True), (UNSEEN["censored"], False)):
        shown_ = [(x, at, name) for x, at, seen, name in times if seen == wanted]
        figure.add_scatter(
            x=[x for x, _, _ in shown_],
            y=[at for _, at, _ in shown_],
            text=[plain(name) for _, _, name in shown_],
            mode="markers",
            marker={"color": color(number), "symbol": symbol, "size": 7 if wanted else 10},
            hovertemplate="%{text}<br>step %{y:,}<extra></extra>",
            showlegend=False,
            row=1,
            col=col,
        )


def _ticks(found: Findings) -> dict[str, list[float] | list[str]]:
    """Return labels at 1, 2 and 5 of each decade between the times of a sweep."""
    times = [max(m.time("grokked_at")[0], 1.0) for m in found.outcomes.members]
    low, high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))
    values = [m * 10.0**e for e in range(low, high + 1) for m in (1, 2, 5)]
    return {"tickvals": values, "ticktext": [f"{value:,.0f}" for value in values]}
