"""Hypotheses as they are written: `median(grokked_at | weight_decay=2) < 3000`, and what they name.

hypothesis = side sign side [sign side]...        sign = < > <= >=
side       = number | statistic "(" [quantity "|"] conditions ")"
conditions = "all" | path "=" value ["," path "=" value]...
statistic  = median | mean | rmst | success | last
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grokscope._registry import nearest
from grokscope.analyses.outcomes import CROSSINGS, MILESTONES
from grokscope.config.document import Document
from grokscope.errors import ConfigError

STATISTICS = ("median", "mean", "rmst", "success", "last")
_SIGN = re.compile(r"<=|>=|<|>")
_NUMBER = re.compile(r"[-+]?(\d[\d_]*\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)
_CROSSING = re.compile(rf"({'|'.join(CROSSINGS)})_(0?\.\d+|1\.0*|1)")


@dataclass(frozen=True)
class Term:
    """A statistic of a quantity over the runs that meet all conditions, each a path and a value."""

    text: str
    statistic: str
    quantity: str
    conditions: tuple[tuple[str, Any], ...]

    @property
    def timed(self) -> bool:
        """Whether the quantity is the time of an event, which may be censored."""
        return is_time(self.quantity)


@dataclass(frozen=True)
class Hypothesis:
    """Sides joined by signs: of `a < b < c` both `a < b` and `b < c` are claimed."""

    text: str
    sides: tuple[Term | float, ...]
    signs: tuple[str, ...]


def parse(text: str) -> Hypothesis:
    """Return what a hypothesis says. Raises ConfigError in one line with the place."""
    signs, pieces = [], []
    start = depth = at = 0
    while at < len(text):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        sign = _SIGN.match(text, at) if depth == 0 else None
        if sign is not None:
            pieces.append((text[start:at], start))
            signs.append(sign.group())
            start = at = sign.end()
        else:
            at += 1
    pieces.append((text[start:], start))
    if not signs:
        raise _wrong(text, len(text), "expected a comparison such as a < b (signs: < > <= >=)")
    sides = tuple(_side(text, piece, place) for piece, place in pieces)
    places = [place for _, place in pieces]
    for (one, _), (other, place) in itertools.pairwise(zip(sides, places, strict=True)):
        if isinstance(one, float) and isinstance(other, float):
            raise _wrong(text, place, "two numbers beside one another say nothing of the runs")
    return Hypothesis(text.strip(), sides, tuple(signs))


def is_time(quantity: str) -> bool:
    """Return whether a quantity is the step of an event."""
    return quantity in MILESTONES or _CROSSING.fullmatch(quantity) is not None


def resolve(path: str, known: Sequence[str], preferred: Sequence[str] = ()) -> str:
    """Return the full path of a field from it or its last words.

    preferred: paths among which a short name is looked for first. Raises ConfigError for an
    unknown path, and for one that means several.
    """
    if path in known:
        return path
    for paths in (preferred, known):
        found = [full for full in paths if full.endswith(f".{path}")]
        if len(found) == 1:
            return found[0]
        if found:
            raise ConfigError(f"{path}: means several fields: {', '.join(found)}")
    words = [*known, *(full.rpartition(".")[2] for full in known)]
    raise ConfigError(f"{path}: no run has such a field{nearest(path, words)}")


def _side(text: str, piece: str, place: int) -> Term | float:
    place += len(piece) - len(piece.lstrip())
    piece = piece.strip()
    if not piece:
        raise _wrong(text, place, "expected a number or a statistic here")
    if _NUMBER.fullmatch(piece):
        return float(piece)
    name, bracket, inner = piece.partition("(")
    statistic = name.strip()
    if statistic not in STATISTICS:
        known = ", ".join(STATISTICS)
        close = nearest(statistic, list(STATISTICS))
        raise _wrong(text, place, f"unknown statistic {statistic!r}{close} (known: {known})")
    if not bracket or not inner.endswith(")"):
        raise _wrong(
            text, place + len(piece), f"expected {statistic}(...), the bracket is not shut"
        )
    place += len(name) + 1
    inner = inner[:-1]
    quantity, bar, conditions = inner.partition("|")
    if not bar:
        bare = "=" not in inner and inner.strip() not in ("", "all")
        quantity, conditions = (inner, "all") if bare else ("", inner)
    asked = quantity.strip() or ("grokked_at" if statistic in ("success", "rmst") else "")
    if not re.fullmatch(r"[A-Za-z][\w.]*", asked):
        told = f"expected a quantity such as {statistic}(grokked_at | all), got {asked!r}"
        raise _wrong(text, place, told)
    if statistic in ("success", "rmst") and not is_time(asked):
        times = ", ".join((*MILESTONES, *(f"{kind}_0.95" for kind in CROSSINGS)))
        raise _wrong(
            text, place, f"{statistic} needs the time of an event ({times}), got {asked!r}"
        )
    if statistic == "last" and is_time(asked):
        raise _wrong(
            text, place, f"last needs a measured quantity, {asked!r} is the time of an event"
        )
    place += len(inner) - len(conditions)
    return Term(piece, statistic, asked, _conditions(text, conditions, place))


def _conditions(text: str, given: str, place: int) -> tuple[tuple[str, Any], ...]:
    if given.strip() == "all":
        return ()
    found = []
    for part in given.split(","):
        path, equals, value = (word.strip() for word in part.partition("="))
        if not equals or not value or not re.fullmatch(r"\w[\w.]*", path):
            told = f"expected path=value or all, got {part.strip()!r}"
            raise _wrong(text, place + len(part) - len(part.lstrip()), told)
        found.append((path, Document(path, value).value()))
        place += len(part) + 1
    return tuple(found)


def _wrong(text: str, place: int, problem: str) -> ConfigError:
    """Return an error that names the place by its column, from 1, and what stands there."""
    there = text[place : place + 20].strip() or "the end"
    return ConfigError(f"hypothesis {text.strip()!r}: column {place + 1} ({there}): {problem}")
