"""Whether a written hypothesis holds, fails, or cannot be decided by the runs there are."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from grokscope.analyses.estimates import (
    ALONE,
    METHODS,
    Interval,
    common_horizon,
    difference,
    estimate,
    kind_of,
)
from grokscope.analyses.hypotheses import Hypothesis, Term, parse, resolve
from grokscope.analyses.outcomes import Member, Outcomes, sample
from grokscope.errors import ConfigError, ScienceError
from grokscope.ops.resampling import least_p
from grokscope.ops.survival import Sample

LEVEL = 0.05


@dataclass(frozen=True)
class Side:
    """One side of a comparison: its estimate, how many runs, and of how many the event was seen."""

    text: str
    value: float
    runs: int = 0
    seen: int | None = None


@dataclass(frozen=True)
class Compared:
    """Two sides with the interval of left minus right, the p of equality, and what follows."""

    left: Side
    right: Side
    sign: str
    difference: Interval
    p: float | None
    method: str
    verdict: str
    words: str


@dataclass(frozen=True)
class Verdict:
    """`holds`, `fails` or `undecided`, with one comparison for each sign of the hypothesis."""

    hypothesis: str
    verdict: str
    comparisons: tuple[Compared, ...]

    def content(self) -> dict[str, Any]:
        """Return the verdict as plain data."""
        return asdict(self)


def judge(hypothesis: str | Hypothesis, outcomes: Outcomes) -> Verdict:
    """Return the verdict on a hypothesis at 95 %.

    Two groups differ where a permutation test says p <= .05 and the bootstrap interval of the
    difference leaves out 0; a group differs from a number where its interval leaves it out. Of
    equal groups at most 5 % are told apart. `holds` where every comparison holds, `fails` where
    one is found the other way round. Raises ConfigError for a hypothesis that cannot be read or
    names no field, ScienceError for sides that share runs or are different statistics.
    """
    asked = parse(hypothesis) if isinstance(hypothesis, str) else hypothesis
    pairs = zip(asked.sides, asked.signs, asked.sides[1:], strict=False)
    found = tuple(_compare(left, sign, right, outcomes) for left, sign, right in pairs)
    verdicts = {one.verdict for one in found}
    verdict = next((v for v in ("fails", "undecided") if v in verdicts), "holds")
    return Verdict(asked.text, verdict, found)


def selected(term: Term, outcomes: Outcomes) -> tuple[Member, ...]:
    """Return the members that meet all conditions of a term. Raises ConfigError for no field."""
    wanted = []
    for path, value in term.conditions:
        try:
            wanted.append((resolve(path, outcomes.paths, outcomes.varying), value))
        except ConfigError as error:
            raise ConfigError(f"hypothesis: {term.text}: {error}") from None
    return tuple(
        member
        for member in outcomes.members
        if all(p in member.fields and _equal(member.fields[p], v) for p, v in wanted)
    )


def _equal(given: Any, asked: Any) -> bool:
    """Return whether two values are one; 1 is 1.0, but true is not 1."""
    return given == asked and isinstance(given, bool) == isinstance(asked, bool)


def _compare(left: Term | float, sign: str, right: Term | float, outcomes: Outcomes) -> Compared:
    if isinstance(left, float):
        flipped = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}[sign]
        left, sign, right = right, flipped, left
    assert isinstance(left, Term)  # noqa: S101 - of two neighbors one is no number
    members = [selected(side, outcomes) for side in (left, right) if isinstance(side, Term)]
    terms = [side for side in (left, right) if isinstance(side, Term)]
    if len(terms) == 2:
        _check_sides(terms, members)
    samples = [_sample(term, group) for term, group in zip(terms, members, strict=True)]
    kind = kind_of(left.statistic, timed=left.timed)
    known = [found for found in samples if len(found[0])]
    until = common_horizon(known) if kind == "rmst" and known else math.inf
    sides, why = [], ""
    for term, found in zip(terms, samples, strict=True):
        seen = int(found[1].sum()) if term.timed else None
        value = math.nan
        if not len(found[0]):
            why = why or f"no run measured {term.text}"
        else:
            try:
                value = estimate(kind, found, until=until).value
            except ScienceError as error:
                why = why or str(error)
        sides.append(Side(term.text, value, len(found[0]), seen))
    p = None
    gap = Interval(math.nan, -math.inf, math.inf)
    if isinstance(right, float):
        sides.append(Side(f"{right:g}", right))
        if not why:
            alone = estimate(kind, samples[0], until=until)
            gap = Interval(alone.value - right, alone.low - right, alone.high - right)
    elif not why:
        gap, p = difference(kind, samples[0], samples[1])
    verdict = "undecided" if why else _decide(sign, gap, p)
    why = why or _reason(verdict, sides, gap, p)
    method = (ALONE if len(terms) == 1 else METHODS)[kind]
    return Compared(sides[0], sides[1], sign, gap, p, method, verdict, _words(sides, gap, p, why))


def _check_sides(terms: list[Term], members: list[tuple[Member, ...]]) -> None:
    one, other = terms
    if one.statistic != other.statistic or one.timed != other.timed:
        raise ScienceError(
            f"hypothesis: {one.text} and {other.text} are different statistics; compare like "
            "with like"
        )
    shared = {m.run.path for m in members[0]} & {m.run.path for m in members[1]}
    if shared:
        raise ScienceError(
            f"hypothesis: {one.text} and {other.text} share {len(shared)} runs; compare groups "
            "that are apart"
        )


def _sample(term: Term, members: tuple[Member, ...]) -> Sample:
    if term.timed:
        return sample(members, term.quantity)
    values = [member.number(term.quantity) for member in members]
    known = np.array([value for value in values if value is not None], dtype=float)
    return known, np.ones(len(known), dtype=bool)


def _decide(sign: str, gap: Interval, p: float | None) -> str:
    """Return the verdict on `left sign right` from the interval of left minus right."""
    if p is not None and p > LEVEL:
        return "undecided"
    low, high = (gap.low, gap.high) if sign[0] == "<" else (-gap.high, -gap.low)
    holds = high <= 0 if sign.endswith("=") else high < 0
    fails = low > 0 if sign.endswith("=") else low >= 0
    return "holds" if holds else "fails" if fails else "undecided"


def _reason(verdict: str, sides: list[Side], gap: Interval, p: float | None) -> str:
    if verdict != "undecided":
        return ""
    if p is not None and (least := least_p(sides[0].runs, sides[1].runs)) > LEVEL:
        return (
            f"{sides[0].runs} against {sides[1].runs} runs cannot decide: their p is at least "
            f"{least:.2g}, and 4 a side are the fewest that can"
        )
    if math.isnan(gap.value):
        return "neither median was reached"
    if math.isinf(gap.low) and math.isinf(gap.high):
        return f"{sides[0].runs} runs are too few for an interval"
    if p is not None and p > LEVEL:
        return "chance alone would often do as much"
    return "the interval of the difference holds 0"


def _words(sides: list[Side], gap: Interval, p: float | None, why: str) -> str:
    """Return the numbers in one line."""
    told = []
    for side in sides:
        if not side.runs:
            told.append(side.text if math.isfinite(side.value) else f"{side.text}: no run")
            continue
        of = (
            f"{side.runs} runs" if side.seen is None else f"seen in {side.seen} of {side.runs} runs"
        )
        told.append(f"{amount(side.value)} ({of})")
    parts = [" against ".join(told)]
    if not math.isnan(gap.value):
        parts.append(f"difference {_end(gap.value)} [{_end(gap.low)}, {_end(gap.high)}]")
    if p is not None:
        parts.append(f"p = {p:.2g}")
    return "; ".join([*parts, why] if why else parts)


def amount(value: float) -> str:
    """Return a number for a sentence: four figures, and words where it is none.

    >>> [amount(x) for x in (12345.0, 0.98765, math.inf, -math.inf, math.nan)]
    ['12,345', '0.9877', 'not reached', 'open', '–']
    """
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "not reached" if value > 0 else "open"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _end(value: float) -> str:
    sign = "−" if value < 0 else ""
    return f"{sign}∞" if math.isinf(value) else f"{sign}{amount(abs(value))}"
