"""A look: the runs a view has chosen, their colors, and the panels that pages put together."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from plotly.colors import sample_colorscale

from grokscope.analyses.outcomes import Outcomes, short, shown
from grokscope.dashboard.library import Entry, Library
from grokscope.dashboard.panels import Panel
from grokscope.dashboard.view import View
from grokscope.errors import GrokscopeError
from grokscope.plots import PLOTS, SWEEP_PLOTS, Plot
from grokscope.plots.style import RAMP, SERIES

T = TypeVar("T")


@dataclass(frozen=True)
class Look:
    """What pages draw from.

    entries: the runs chosen by the view, all of them readable.
    """

    library: Library
    view: View
    entries: tuple[Entry, ...]

    @cached_property
    def outcomes(self) -> Outcomes:
        """The chosen runs in groups alike in all but the seed."""
        return self.library.outcomes(self.entries)

    @cached_property
    def words(self) -> Mapping[str, str]:
        """What each run is colored by, in words, by its name; in the order of a legend."""
        by = self.view.color or ("group" if len(self.outcomes.groups) > 1 else "run")
        return self._sorted(by) or {entry.name: entry.name for entry in self.entries}

    @cached_property
    def colors(self) -> Mapping[str, str]:
        """The color of each of the words."""
        return dict(zip(self.legend, hues(len(self.legend)), strict=True))

    @cached_property
    def legend(self) -> list[str]:
        """The words in order, each once."""
        return list(dict.fromkeys(self.words.values()))

    @cached_property
    def facets(self) -> list[tuple[str, tuple[Entry, ...]]]:
        """The runs by the field that the view cuts them by; one part without a name if by none."""
        words = self._sorted(self.view.facet) if self.view.facet else {}
        if not words:
            return [("", self.entries)]
        parts: dict[str, list[Entry]] = {}
        for name, word in words.items():
            parts.setdefault(word, []).append(self._named[name])
        return [(word, tuple(entries)) for word, entries in parts.items()]

    @cached_property
    def detail(self) -> Entry:
        """The run whose analyses are drawn: the one asked for, or the one that has most of them."""
        asked = [entry for entry in self.entries if entry.name == self.view.detail]
        return asked[0] if asked else max(self.entries, key=_results)

    def color_of(self, entry: Entry) -> str:
        """Return the color of a run."""
        return self.colors[self.words[entry.name]]

    def plots(self, *names: str) -> Iterator[Panel]:
        """Yield figures of one run, those it has: what is drawn in a report too."""
        run = self.detail.run
        for part in sorted((PLOTS[name] for name in names), key=lambda part: part.order):
            if panel := self._drawn(part, [self.detail], run, self.detail.name):
                yield panel

    def sweep_plots(self, *names: str) -> Iterator[Panel]:
        """Yield figures of all chosen runs together, those they have."""
        found = self.library.findings(self.entries)
        for part in sorted((SWEEP_PLOTS[name] for name in names), key=lambda part: part.order):
            if panel := self._drawn(part, self.entries, found, f"{len(self.entries):,} runs"):
                yield panel

    def _drawn(self, part: Plot[T], entries: Sequence[Entry], of: T, name: str) -> Panel | None:
        def draw() -> Panel | None:
            return _panel(part, part.function(of), name) if part.applies(of) else None

        return self.library.drawn(part.name, entries, draw)

    @cached_property
    def _named(self) -> Mapping[str, Entry]:
        return {entry.name: entry for entry in self.entries}

    def _sorted(self, by: str) -> dict[str, str]:
        """Return a word for each run in the order of what it stands for; none for an unknown path.

        by: `run`, `group`, or a path of the configuration.
        """
        if by == "run":
            return {entry.name: entry.name for entry in self.entries}
        if by == "group":
            names = {entry.run.path: entry.name for entry in self.entries}
            groups = self.outcomes.groups
            return {
                names[member.run.path]: group.label or "all runs"
                for group in groups
                for member in group.members
            }
        values = {e.name: e.member.fields[by] for e in self.entries if by in e.member.fields}
        if not values:
            return {}
        word = short(by, self.outcomes.varying)
        found = sorted(values.items(), key=lambda item: _rank(item[1]))
        words = {name: f"{word}={shown(value)}" for name, value in found}
        return words | {e.name: f"no {word}" for e in self.entries if e.name not in words}


def hues(count: int) -> list[str]:
    """Return as many colors, apart in hue where there are few and along a ramp where many."""
    if count <= len(SERIES):
        return list(SERIES[:count])
    return [str(c) for c in sample_colorscale(RAMP, [i / (count - 1) for i in range(count)])]


def chosen(entries: Iterable[Entry], view: View, fits: Any) -> tuple[Entry, ...]:
    """Return the runs of a view among those there are."""
    names = set(view.runs)
    return tuple(
        entry
        for entry in entries
        if (not names or entry.name in names) and fits(entry.member, view.where)
    )


def _panel(part: Plot[Any], figure: Any, subtitle: str) -> Panel:
    figure.layout.template = None
    content = json.loads(figure.to_json())
    height = int(figure.layout.height or 420)
    return Panel(part.name, part.label, content, subtitle, part.caption, height, wide=True)


def _results(entry: Entry) -> int:
    try:
        return sum(1 for _ in (entry.run.path / "results").glob("*/"))
    except (OSError, GrokscopeError):
        return 0


def _rank(value: Any) -> tuple[int, float, str]:
    if isinstance(value, (int, float)):
        return 0, float(value), ""
    return 1, 0.0, str(value)
