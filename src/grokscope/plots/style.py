"""The look of every figure and page: one palette, safe for color-blind readers, light and dark."""

from dataclasses import asdict, dataclass
from typing import Any

import plotly.graph_objects as go

FONT = "Inter, 'Helvetica Neue', Helvetica, Arial, system-ui, sans-serif"
MONO = "ui-monospace, 'SF Mono', Menlo, Consolas, monospace"

TRAIN = "#2f7fc1"
TEST = "#d9730d"
SERIES = ("#2f7fc1", "#d9730d", "#579e62", "#b4519a", "#657b59", "#4490fa", "#c25210", "#ac86a1")
"""Blue and orange for train and test, then what a search found farthest from them and each other.

Any two are at least .075 apart in OKLab as most people see them and without the cones for long or
middle waves, .05 without those for short ones, and
all have a contrast of 3 with both grounds; a test computes it.
"""

RAMP = [[0.0, "#5a6fd0"], [0.3, "#2f7fc1"], [0.55, "#159570"], [0.8, "#a08a1c"], [1.0, "#d9730d"]]
"""For more values than there are hues: in order, legible on light and dark."""

SHARES = [[0.0, "#eef3f8"], [0.5, "#2f7fc1"], [1.0, "#0b2f52"]]
"""From nothing to all: light to dark blue, also in gray."""

LATER = [[0.0, "#7fb5e6"], [0.5, "#2f7fc1"], [1.0, "#1b5c97"]]
"""From early to late, light to dark, yet seen on both grounds."""

SHADES = ("rgba(47,127,193,0.14)", "rgba(182,95,168,0.15)", "rgba(217,115,13,0.16)")
"""Behind curves: of memorization, circuit formation and clean-up; what comes after has none."""

UNSEEN = {"censored": "triangle-up-open", "diverged": "x-thin-open"}
"""Marks at the last step of runs whose event was not seen."""


@dataclass(frozen=True)
class Theme:
    """Colors of one scheme."""

    page: str
    panel: str
    text: str
    muted: str
    grid: str
    accent: str


LIGHT = Theme(
    page="#fbfbfa",
    panel="#ffffff",
    text="#22262b",
    muted="#656d76",
    grid="#e8eaed",
    accent="#2469a3",
)
DARK = Theme(
    page="#14171a",
    panel="#1c2024",
    text="#e6e8ea",
    muted="#9aa3ad",
    grid="#31373d",
    accent="#6cb0ea",
)


def template(theme: Theme) -> go.layout.Template:
    """Return the plotly template of a theme: quiet grids, no frames, transparent ground."""
    axis = {
        "gridcolor": theme.grid,
        "linecolor": theme.grid,
        "zeroline": False,
        "ticks": "outside",
        "tickcolor": theme.grid,
        "ticklen": 4,
        "title": {"standoff": 8, "font": {"size": 13, "color": theme.muted}},
        "tickfont": {"size": 12, "color": theme.muted},
        "automargin": True,
    }
    layout: dict[str, Any] = {
        "font": {"family": FONT, "size": 13, "color": theme.text},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "colorway": list(SERIES),
        "xaxis": axis,
        "yaxis": axis,
        "hovermode": "x unified",
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": theme.grid, "activecolor": theme.muted},
        "hoverlabel": {"font": {"family": FONT, "size": 12}, "bgcolor": theme.panel},
        "shapedefaults": {"line": {"color": theme.muted}},
        "annotationdefaults": {"font": {"size": 12, "color": theme.muted}},
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.06, "x": 0},
        "margin": {"l": 64, "r": 24, "t": 64, "b": 48},
    }
    return go.layout.Template(layout=layout)


# Plotly draws powers of ten a quarter larger than other labels.
_LOG = {"type": "log", "exponentformat": "power", "dtick": 1, "tickfont": {"size": 10}}


def decades(label: str = "Step") -> dict[str, Any]:
    """Return a logarithmic axis of steps with one label a decade."""
    return {"title": {"text": label}, **_LOG}


def level_axis(title: str, *, log: bool) -> dict[str, Any]:
    """Return a vertical axis, logarithmic where the quantity asks for it."""
    axis: dict[str, Any] = {"title": {"text": title}}
    if log:
        axis |= _LOG
    return axis


def dressed(figure: go.Figure, theme: Theme) -> go.Figure:
    """Return a figure in a theme: its template, and whatever was drawn in the light one's gray."""
    figure.update_layout(template=template(theme))
    figure.update_shapes(line_color=theme.muted)
    # Plotly draws powers of ten a quarter larger than it was told.
    for update in (figure.update_xaxes, figure.update_yaxes):
        update(tickfont_size=10, selector={"type": "log"})
    return figure


def properties(theme: Theme) -> str:
    """Return a theme as the properties that style sheets read.

    >>> properties(LIGHT).splitlines()[1]
    '  --grokscope-page: #fbfbfa;'
    """
    named = {**asdict(theme), "blue": TRAIN, "orange": TEST, "sans": FONT}
    lines = "\n".join(f"  --grokscope-{name}: {value};" for name, value in named.items())
    return f":root {{\n{lines}\n}}"
