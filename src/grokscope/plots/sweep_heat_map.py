"""Grokking time over two fields of the configuration."""

import math
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokscope.analyses.outcomes import Group, sample, short, shown
from grokscope.analyses.sweep import Findings
from grokscope.ops.survival import quantile
from grokscope.plots.base import sweep_plot
from grokscope.plots.groups import WIDE
from grokscope.plots.style import FONT, LIGHT, SHARES, template
from grokscope.plots.text import plain

MOST = 12
"""Panels at most."""


def _axes(found: Findings) -> list[str]:
    """Return the two fields with the most values, of those that vary between groups."""
    groups = found.outcomes.groups
    counts = {p: len({repr(g.values[p]) for g in groups}) for p in groups[0].values}
    return sorted(counts, key=lambda path: -counts[path])[:2]


@sweep_plot(
    label="Grokking time over two fields",
    order=40,
    caption="Color is the Kaplan-Meier median of the grokking time; the numbers below it are how "
    "many runs grokked. Gray: the median was not reached. What else varies has panels of its own.",
    applies=lambda found: len(_axes(found)) == 2,
)
def sweep_heat_map(found: Findings) -> go.Figure:
    """Draw a heat map of median grokking time, one panel for each choice of what else varies."""
    x_path, y_path = _axes(found)
    panels: dict[str, list[Group]] = {}
    for group in found.outcomes.groups:
        rest = {p: v for p, v in group.values.items() if p not in (x_path, y_path)}
        words = ", ".join(f"{short(p, group.values)}={shown(v)}" for p, v in rest.items())
        panels.setdefault(words, []).append(group)
    kept = dict(list(panels.items())[:MOST])
    columns = min(len(kept), 3)
    rows = math.ceil(len(kept) / columns)
    titles = [plain(words) for words in kept] if len(kept) > 1 else None
    figure = make_subplots(
        rows, columns, subplot_titles=titles, vertical_spacing=0.16 / rows, horizontal_spacing=0.09
    )
    medians = {id(g): float(quantile(*sample(g.members))) for gs in kept.values() for g in gs}
    known = [math.log10(max(m, 1)) for m in medians.values() if math.isfinite(m)] or [0.0, 1.0]
    for number, groups in enumerate(kept.values()):
        trace = _panel(groups, x_path, y_path, medians)
        trace.update(zmin=min(known) - 0.1, zmax=max(known) + 0.1, showscale=number == 0)
        figure.add_trace(trace, row=number // columns + 1, col=number % columns + 1)
    axis = {"type": "category", "showgrid": False}
    figure.update_xaxes(axis | {"title": {"text": plain(short(x_path, found.outcomes.varying))}})
    figure.update_yaxes(axis | {"title": {"text": plain(short(y_path, found.outcomes.varying))}})
    sides = len({repr(g.values[y_path]) for g in found.outcomes.groups})
    return figure.update_layout(
        template=template(LIGHT),
        meta=WIDE if columns > 1 else {},
        height=110 + rows * (70 + 52 * sides),
        margin_t=44 if titles else 24,
        hovermode="closest",
        plot_bgcolor="rgba(128,128,128,0.14)",
    )


def _panel(groups: list[Group], x_path: str, y_path: str, medians: dict[int, float]) -> go.Heatmap:
    xs, ys = (
        list(dict.fromkeys(shown(g.values[path]) for g in sorted(groups, key=_by(path))))
        for path in (x_path, y_path)
    )
    z: list[list[float | None]] = [[None] * len(xs) for _ in ys]
    text = [[""] * len(xs) for _ in ys]
    for group in groups:
        row, col = ys.index(shown(group.values[y_path])), xs.index(shown(group.values[x_path]))
        median, (_, seen) = medians[id(group)], sample(group.members)
        z[row][col] = math.log10(max(median, 1)) if math.isfinite(median) else None
        words = f"{median:,.0f}" if math.isfinite(median) else "–"
        text[row][col] = f"{words}<br>{int(seen.sum())}/{len(seen)}"
    return go.Heatmap(
        x=[plain(x) for x in xs],
        y=[plain(y) for y in ys],
        z=z,
        text=text,
        texttemplate="%{text}",
        hovertemplate="%{x}, %{y}<br>%{text}<extra></extra>",
        hoverongaps=False,
        colorscale=SHARES,
        xgap=2,
        ygap=2,
        colorbar={
            "title": {"text": "log₁₀ steps", "font": {"family": FONT}},
            "thickness": 12,
            "tickformat": ".1f",
        },
    )


def _by(path: str) -> Any:
    def key(group: Group) -> tuple[int, float, str]:
        value = group.values[path]
        number = isinstance(value, (int, float))
        return int(not number), float(value) if number else 0.0, str(value)

    return key
