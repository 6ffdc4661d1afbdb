"""What a person looks at: a section, runs, colors, axes. It is the query of the page's link."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from grokscope.analyses.outcomes import Member, Outcomes, shown

AXES = {"step": "Step", "seconds": "Training time in s"}
SCALES = ("declared", "linear", "log")
MOST = 4096
"""Characters of a value in a link that are looked at."""


@dataclass(frozen=True, kw_only=True)
class View:
    """A look at a folder of runs.

    runs: names, all where none is given. where: `path=value` words that runs must match. color and
    facet: a path of the configuration, `run`, `group` (alike in all but the seed), or empty, which
    is for color the group where there are several. detail: the run whose analyses are drawn.
    """

    section: str = ""
    runs: tuple[str, ...] = ()
    where: str = ""
    color: str = ""
    facet: str = ""
    x: str = "step"
    x_scale: str = "log"
    y_scale: str = "declared"
    smooth: float = 0.0
    detail: str = ""

    @classmethod
    def read(cls, query: str) -> "View":
        """Return the view of a query; what it does not say, or says wrongly, is as at first.

        >>> View.read("section=torus&runs=a&runs=b&smooth=9&x=furlongs")
        View(section='torus', runs=('a', 'b'), where='', color='', facet='', x='step', \
x_scale='log', y_scale='declared', smooth=0.99, detail='')
        """
        pairs = [(key, value[:MOST]) for key, value in parse_qsl(query[: 1 << 20])]
        names = {field.name for field in fields(cls)} - {"runs", "smooth"}
        given: dict[str, Any] = {key: value for key, value in pairs if key in names}
        view = cls(**given, runs=tuple(value for key, value in pairs if key == "runs"))
        return replace(
            view,
            x=view.x if view.x in AXES else "step",
            x_scale=view.x_scale if view.x_scale in SCALES[1:] else "log",
            y_scale=view.y_scale if view.y_scale in SCALES else "declared",
            smooth=_share(dict(pairs).get("smooth", "")),
        )

    @property
    def query(self) -> str:
        """The query of a link to this view: what differs from the first look.

        >>> View(section="torus", runs=("a b",)).query
        'section=torus&runs=a+b'
        """
        first = View()
        told = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != getattr(first, field.name)
        }
        return urlencode(told, doseq=True)


def matches(member: Member, where: str) -> bool:
    """Return whether a run has each value asked for.

    where: words `path=value`; a path may be cut to its last words, `weight_decay=1`. A word without
    `=` must stand in the name of the run.
    """
    return all(_fits(member, word) for word in where.replace(",", " ").split())


def _fits(member: Member, word: str) -> bool:
    path, equals, value = word.partition("=")
    if not equals:
        return word.casefold() in member.run.name.casefold()
    found = [v for p, v in member.fields.items() if f".{p}".endswith(f".{path}")]
    return any(shown(v) == value or _same(v, value) for v in found)


def _same(value: Any, text: str) -> bool:
    try:
        return isinstance(value, (int, float)) and float(text) == float(value)
    except ValueError:
        return False


def _share(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 0.99)
    except ValueError:
        return 0.0


def choices(members: Sequence[Member]) -> list[str]:
    """Return the paths by which runs may be colored and faceted: those that vary come first."""
    if not members:
        return []
    found = Outcomes.among(members)
    return [*found.varying, *(path for path in found.paths if path not in found.varying)]
