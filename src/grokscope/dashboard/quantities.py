"""Panels of measured quantities: one a metric, or one for train and test, over steps or seconds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from grokscope.analyses.phases import PHASES, spans
from grokscope.dashboard.library import Entry
from grokscope.dashboard.look import Look
from grokscope.dashboard.panels import Frame, Line, Mark, Panel, drawn
from grokscope.dashboard.view import AXES
from grokscope.metrics import METRICS
from grokscope.plots.curves import smoothed, thin
from grokscope.plots.style import SERIES, SHADES, TEST, TRAIN
from grokscope.plots.text import plain
from grokscope.store.results import stored

Parts = list[dict[str, Any]]

POINTS = 20_000
"""Points of all curves of a panel together; fewer are left of each where there are many."""
IN_TRAINING = ("curves", "reward", "lookup_baseline")
"""Metrics drawn as curves of train and test, or as a line behind them."""
LEAST, FINEST = 60, 2_000
FAMILY = 12
"""Columns of one metric drawn for a lone run: the heads of a layer, the layers of a network."""


@dataclass(frozen=True)
class Curve:
    """A column of runs to be drawn in a panel, with the look of its lines."""

    column: str
    word: str = ""
    dash: str = "solid"
    color: str = ""
    width: float = 1.8


def metrics(look: Look, *groups: str) -> Iterator[Panel]:
    """Yield a panel for each metric of these groups that any chosen run has measured."""
    measured = {column for entry in look.entries for column in look.library.columns(entry)}
    for metric in (m for group in groups for m in METRICS.values() if m.group == group):
        columns = metric.columns(measured)
        if metric.name in IN_TRAINING or not columns:
            continue
        lone = len(look.entries) == 1
        shown = columns[: FAMILY + 1] if lone else columns[:1]
        curves = [
            Curve(c, _word(c, metric.name), color=SERIES[(i + 2) % len(SERIES)] if lone else "")
            for i, c in enumerate(shown)
        ]
        left = len(columns) - len(shown)
        note = f" {left:,} more columns are in the data." if lone and left else ""
        yield from panels(
            look,
            metric.name,
            metric.label,
            curves,
            log=metric.scale == "log",
            caption=metric.doc + note,
        )


def training(look: Look) -> Iterator[Panel]:
    """Yield accuracy, loss, reward where it was measured, and the penalty where there is one."""
    sides = (("test", "solid", TEST, 2.0), ("train", "dot", TRAIN, 1.4))
    lone = len(look.entries) == 1
    kinds = (("acc", "Accuracy", False), ("loss", "Loss", True), ("reward", "Reward", False))
    for kind, label, log in kinds:
        curves = [
            Curve(f"{side}_{kind}", side, "solid" if lone else dash, color if lone else "", width)
            for side, dash, color, width in sides
        ]
        caption = "" if lone else "Solid: test. Dotted: train."
        yield from panels(look, kind, label, curves, log=log, caption=caption, wide=lone)
    words = "Sum of the penalties of the objective, on train."
    yield from panels(look, "penalty", "Penalty", [Curve("penalty")], log=True, caption=words)


def panels(
    look: Look,
    key: str,
    title: str,
    curves: Sequence[Curve],
    *,
    log: bool,
    caption: str = "",
    wide: bool = False,
) -> Iterator[Panel]:
    """Yield a panel of some columns for each facet, all with one range."""
    y_log = log if look.view.y_scale == "declared" else look.view.y_scale == "log"
    drawings = [
        (name, entries, [pair for curve in curves for pair in _lines(look, entries, curve, y_log)])
        for name, entries in look.facets
    ]
    values = [
        y for _, _, pairs in drawings for _, line in pairs for y in (line.y.min(), line.y.max())
    ]
    if not values:
        return
    shared = (min(values), max(values)) if len(drawings) > 1 else None
    if key in ("acc", "reward"):
        shared = (min(values) if y_log else 0.0, 1.0)
    for name, entries, pairs in drawings:
        lines = [line for _, line in pairs]
        if not lines:
            continue
        frame = _frame(look, entries, key, y_log=y_log, y_range=shared)
        marks = [mark for entry, line in pairs for mark in _marks(look, entry, line, key)]
        labels = _labels(lines, y_log=y_log) if len(entries) == 1 else []
        figure = drawn(lines, marks, frame)
        figure["layout"]["annotations"] += labels
        if labels:
            figure["layout"]["margin"] |= {"r": 84}
        colored = len(look.entries) > 1
        place = f"{key}-{name}" if name else key
        yield Panel(place, title, figure, name, caption, wide=wide, colored=colored)


def _lines(
    look: Look, entries: Sequence[Entry], curve: Curve, y_log: bool
) -> Iterator[tuple[Entry, Line]]:
    most = int(np.clip(POINTS // max(len(look.entries), 1), LEAST, FINEST))
    x_log = look.view.x_scale == "log"
    for entry in entries:
        x, y = look.library.series(entry, look.view.x, curve.column)
        y = smoothed(y, look.view.smooth)
        seen = (x > 0 if x_log else x >= 0) & (y > 0 if y_log else np.isfinite(y))
        x, y = thin(x[seen], y[seen], most, log=x_log)
        if not len(x):
            continue
        alone = len(look.entries) == 1
        words = [] if alone and curve.word else [entry.name]
        name = " · ".join([*words, curve.word] if curve.word else words)
        color = curve.color or look.color_of(entry)
        group = " · ".join(w for w in (look.words[entry.name], curve.word) if w)
        yield entry, Line(name, color, x, y, group, curve.dash, curve.width)


def _frame(
    look: Look,
    entries: Sequence[Entry],
    key: str,
    *,
    y_log: bool,
    y_range: tuple[float, float] | None,
) -> Frame:
    x_log = look.view.x_scale == "log"
    shapes: Parts = []
    notes: Parts = []
    if len(entries) == 1 and look.view.x == "step":
        shapes, notes = _phases(look, entries[0], x_log=x_log)
    if key == "acc":
        more = _baselines(look, entries)
        shapes, notes = shapes + more[0], notes + more[1]
    return Frame(AXES[look.view.x], x_log, y_log, y_range, shapes, notes)


def _phases(look: Look, entry: Entry, *, x_log: bool) -> tuple[Parts, Parts]:
    """Return the phases of a run as shades, where they are stored, with their names above."""
    found = stored(entry.run.path, "phases", arrays=False).get("phases")
    steps, _ = look.library.series(entry, "step", "test_loss")
    if found is None or not len(steps):
        return [], []
    shapes, notes = [], []
    for name, start, end in spans(found.scalars, int(steps[-1])):
        begin = max(start, steps[0])
        if name == PHASES[-1] or end <= begin:
            continue
        place = {"x0": float(begin), "x1": float(end), "y0": 0, "y1": 1, "yref": "y domain"}
        shapes.append(
            place
            | {"type": "rect", "layer": "below", "line": {"width": 0}}
            | {"fillcolor": SHADES[PHASES.index(name)], "xref": "x"}
        )
        middle = (np.sqrt(begin * end)) if x_log else (begin + end) / 2
        notes.append(
            {
                "x": float(np.log10(middle) if x_log else middle),
                "y": 1.0,
                "yref": "y domain",
                "text": name.replace(" ", "<br>") if x_log else name,
                "showarrow": False,
                "yanchor": "top",
                "font": {"size": 10},
            }
        )
    return shapes, notes


def _baselines(look: Look, entries: Sequence[Entry]) -> tuple[Parts, Parts]:
    """Return the lookup baseline as a dotted line, once for each level that runs have."""
    last = [look.library.series(entry, "step", "lookup_baseline")[1][-1:] for entry in entries]
    found = sorted({round(float(v[0]), 2) for v in last if len(v) and v[0] > 0})
    levels = [at for i, at in enumerate(found) if not i or at - found[i - 1] > 0.05]
    shapes: Parts = []
    notes: Parts = []
    for level in levels[:4]:
        line = {"type": "line", "xref": "x domain", "x0": 0, "x1": 1, "y0": level, "y1": level}
        shapes.append(line | {"line": {"dash": "dot", "width": 1}, "layer": "below"})
        notes.append(
            {
                "xref": "x domain",
                "x": 0.01,
                "xanchor": "left",
                "y": level,
                "yanchor": "bottom",
                "text": f"lookup {level:.2f}",
                "showarrow": False,
                "font": {"size": 11},
            }
        )
    return shapes, notes


def _marks(look: Look, entry: Entry, line: Line, key: str) -> Iterator[Mark]:
    """Yield where a run memorized and grokked, on its curves of accuracy."""
    if key != "acc" or look.view.x != "step":
        return
    side = line.name.split(" · ")[-1]
    event, symbol = ("memorized", "circle-open") if side == "train" else ("grokked", "diamond")
    step = entry.member.status.get(f"{event}_at")
    if step and len(line.x):
        at = float(line.y[np.abs(line.x - step).argmin()])
        yield Mark(event, f"{entry.name} {event}", line.color, float(step), at, symbol)


def _labels(lines: Sequence[Line], *, y_log: bool) -> Parts:
    """Return the names of curves at their ends, moved apart where they would meet."""
    if len(lines) < 2:
        return []
    ends = [(float(np.log10(one.y[-1]) if y_log else one.y[-1]), one) for one in lines]
    ends.sort(key=lambda end: end[0])
    values = [v for one in lines for v in (one.y.min(), one.y.max())]
    span = np.ptp(np.log10(values) if y_log else values) or 1.0
    lifts = _apart([(height - ends[0][0]) / span * 230 for height, _ in ends], 13)
    return [
        {
            "x": 1.0,
            "xref": "x domain",
            "xanchor": "left",
            "xshift": 4,
            "y": height,
            "yshift": lift,
            "text": plain(line.name),
            "showarrow": False,
            "font": {"color": line.color, "size": 11},
        }
        for (height, line), lift in zip(ends, lifts, strict=True)
    ]


def _apart(places: Sequence[float], least: float) -> list[float]:
    """Return by how much to lift each of ascending places so that none is nearer than `least`.

    >>> _apart([0, 1, 50], 13)
    [0, 12, 0]
    """
    lifts: list[float] = []
    for number, place in enumerate(places):
        below = places[number - 1] + lifts[-1] + least if number else place
        lifts.append(max(below - place, 0))
    return lifts


def _word(column: str, metric: str) -> str:
    """Return what a column is called beside its metric: nothing, a suffix, or its own name."""
    return "" if column == metric else column.removeprefix(f"{metric}.").replace("_", " ")
