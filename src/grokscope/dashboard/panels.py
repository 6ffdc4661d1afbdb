"""Panels of a page: figures as plain data, as the page draws them, without a template."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from grokscope.plots.curves import Floats
from grokscope.plots.style import decades, level_axis
from grokscope.plots.text import plain

MERGED = 48
"""From so many lines on, those of one color are one trace: a browser draws it far sooner."""


@dataclass(frozen=True)
class Line:
    """A curve: what it is called, its color, and its points [n]."""

    name: str
    color: str
    x: Floats
    y: Floats
    group: str = ""
    dash: str = "solid"
    width: float = 1.8


@dataclass(frozen=True)
class Mark:
    """A point on a curve, such as where a run grokked; `kind` is what such points are called."""

    kind: str
    name: str
    color: str
    x: float
    y: float
    symbol: str


@dataclass(frozen=True)
class Panel:
    """A figure with its title: `figure` is plotly's data and layout.

    colored: whether its colors are those of the legend of the page.
    """

    key: str
    title: str
    figure: dict[str, Any]
    subtitle: str = ""
    caption: str = ""
    height: int = 300
    wide: bool = False
    colored: bool = False


@dataclass(frozen=True)
class Frame:
    """The axes of a panel: titles, scales, and what stands behind the curves."""

    x_title: str
    x_log: bool
    y_log: bool
    y_range: tuple[float, float] | None = None
    shapes: Sequence[dict[str, Any]] = ()
    annotations: Sequence[dict[str, Any]] = field(default_factory=list)


def drawn(lines: Sequence[Line], marks: Sequence[Mark], frame: Frame) -> dict[str, Any]:
    """Return the figure of curves and marks within axes."""
    merged = len(lines) >= MERGED
    x_axis = decades(frame.x_title) if frame.x_log else {"title": {"text": frame.x_title}}
    y_axis = level_axis("", log=frame.y_log)
    if frame.y_range is not None:
        y_axis["range"] = _padded(frame.y_range, log=frame.y_log)
    layout = {
        "xaxis": x_axis,
        "yaxis": y_axis,
        "showlegend": False,
        "hovermode": "closest",
        "margin": {"l": 58, "r": 16, "t": 12, "b": 44},
        "shapes": list(frame.shapes),
        "annotations": list(frame.annotations),
    }
    traces = _merged(lines) if merged else [_trace(line) for line in lines]
    return {"data": traces + _points(marks), "layout": layout}


def packed(values: Floats) -> dict[str, str]:
    """Return numbers as plotly's typed array: four bytes each, whole numbers exactly."""
    whole = len(values) and np.all(values == np.floor(values)) and np.abs(values).max() < 2**31
    kind = "i4" if whole else "f4"
    with np.errstate(over="ignore", under="ignore"):
        content = np.ascontiguousarray(values, dtype=kind).tobytes()
    return {"dtype": kind, "bdata": base64.b64encode(content).decode()}


def _trace(line: Line) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": plain(line.name),
        "x": packed(line.x),
        "y": packed(line.y),
        "line": {"color": line.color, "width": line.width, "dash": line.dash},
        "hovertemplate": "%{fullData.name}<br>%{x:,}: %{y:.5g}<extra></extra>",
    }


def _merged(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Return one trace for all lines of one look, with gaps between them."""
    alike: dict[tuple[str, str, str], list[Line]] = {}
    for line in lines:
        alike.setdefault((line.group or line.name, line.color, line.dash), []).append(line)
    traces = []
    for (group, color, dash), same in alike.items():
        gap = np.array([np.nan])
        x = np.concatenate([part for line in same for part in (line.x, gap)])
        y = np.concatenate([part for line in same for part in (line.y, gap)])
        traces.append(_trace(Line(group, color, x, y, dash=dash, width=1.1)) | {"opacity": 0.75})
    return traces


def _points(marks: Sequence[Mark]) -> list[dict[str, Any]]:
    """Return one trace for all marks of one symbol: a browser takes long over each trace."""
    alike: dict[str, list[Mark]] = {}
    for mark in marks:
        alike.setdefault(mark.symbol, []).append(mark)
    traces = []
    for symbol, same in alike.items():
        colors = [mark.color for mark in same]
        look = {"symbol": symbol, "size": 9 if len(marks) < MERGED else 6, "color": colors}
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": same[0].kind,
                "x": [mark.x for mark in same],
                "y": [mark.y for mark in same],
                "text": [plain(mark.name) for mark in same],
                "marker": look | {"line": {"width": 1.5, "color": colors}},
                "hovertemplate": "%{text} at %{x:,}<extra></extra>",
            }
        )
    return traces


def _padded(span: tuple[float, float], *, log: bool) -> list[float]:
    """Return a range with a little room, in powers of ten on a logarithmic axis."""
    low, high = (np.log10(span[0]), np.log10(span[1])) if log else span
    room = 0.04 * (high - low) or 0.5
    return [float(low - room), float(high + room)]
