"""What became of each of many runs, and by which fields of their configurations they differ."""

import functools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from grokscope.config import encode
from grokscope.config.encode import LABELS, LENGTH, MANNER
from grokscope.errors import ScienceError
from grokscope.ops import crossings
from grokscope.ops.survival import Sample
from grokscope.store import Run, Runs, results

LOOKING = ("measure", "checkpoint")
"""Sections of a configuration that say what is kept of a run, not how it trains."""
MILESTONES = ("grokked_at", "memorized_at")
CROSSINGS = {"first": crossings.first, "sustained": crossings.sustained, "strict": crossings.strict}


@dataclass(frozen=True)
class Member:
    """One of many runs: its configuration by dotted path and its status, read once."""

    run: Run
    fields: Mapping[str, Any]
    status: Mapping[str, Any]

    @property
    def outcome(self) -> str:
        """`grokked`, `memorized`, `diverged`, `unfinished`, or `running`."""
        return str(self.status.get("outcome") or "running")

    @property
    def step(self) -> int:
        """The last step."""
        return int(self.status.get("step") or 0)

    def time(self, quantity: str) -> tuple[float, bool]:
        """Return the step of an event and True, or the last step and False where it was not seen.

        quantity: `grokked_at`, `memorized_at`, or a crossing of test accuracy such as
        `sustained_0.95` (also `first`, `strict`). Runs that diverged, or still train, are censored
        at their last step.
        """
        stored = quantity in MILESTONES
        at = self.status.get(quantity) if stored else self._crossed(quantity)
        return (float(self.step), False) if at is None else (float(at), True)

    def number(self, quantity: str) -> float | None:
        """Return the last value of a column of the history; None where it was not measured."""
        value = (self.status.get("last") or {}).get(quantity)
        return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None

    @functools.cached_property
    def _known(self) -> Mapping[str, Any]:
        """The crossings that the analysis grokking_time has stored of the run as it is now."""
        name = "grokking_time"
        found = results.stored(self.run.path, name, arrays=False).get(name)
        if found is None or found.provenance != {"options": {}, "step": self.status.get("step")}:
            return {}
        return found.scalars

    @functools.cached_property
    def _curve(self) -> tuple[list[int], list[float]]:
        """Steps and test accuracy of the history, read once; empty where it was not measured."""
        history = self.run.history
        if "test_acc" not in history.columns:
            return [], []
        return history["step"].to_list(), history["test_acc"].to_list()

    def _crossed(self, quantity: str) -> int | None:
        kind, _, level = quantity.partition("_")
        name = f"{kind}_{float(level):.2f}_step"
        if name in self._known:
            found = self._known[name]
            return None if found is None else int(found)
        return CROSSINGS[kind](*self._curve, float(level)) if self._curve[0] else None


FEW = 3
"""Fields that name a group; where more differ, those that tell the groups apart are taken."""


@dataclass(frozen=True)
class Group:
    """Members that train alike but for the seed; `values` by path say what they share.

    label: the values in words, `weight_decay=2, p=17`, as many as tell the groups apart.
    """

    values: Mapping[str, Any]
    members: tuple[Member, ...]
    label: str = ""


@dataclass(frozen=True)
class Outcomes:
    """Many runs for analysis: members, the paths by which they vary, and groups of equal ones."""

    members: tuple[Member, ...]
    varying: tuple[str, ...]
    groups: tuple[Group, ...]

    @classmethod
    def of(cls, runs: Runs | Sequence[Run]) -> "Outcomes":
        """Return the outcomes of runs as they are now. Raises ScienceError where there are none."""
        return cls.among([Member(run, leaves(encode(run.config)), run.status) for run in runs])

    @classmethod
    def among(cls, found: Sequence[Member]) -> "Outcomes":
        """Return the outcomes of members. Raises ScienceError where there are none."""
        members = tuple(found)
        if not members:
            raise ScienceError("sweep: there is no run to analyze")
        paths = _varying([member.fields for member in members])
        by = [p for p in paths if p.partition(".")[0] not in ("seed", *LENGTH, *MANNER, *LOOKING)]
        alike: dict[tuple[str, ...], list[Member]] = {}
        for member in members:
            alike.setdefault(tuple(repr(member.fields.get(p)) for p in by), []).append(member)
        values = [{p: group[0].fields.get(p) for p in by} for group in alike.values()]
        told = telling(values)
        groups = [
            Group(own, tuple(group), ", ".join(f"{short(p, told)}={shown(own[p])}" for p in told))
            for own, group in zip(values, alike.values(), strict=True)
        ]
        groups.sort(key=lambda group: [_rank(value) for value in group.values.values()])
        return cls(members, paths, tuple(groups))

    @functools.cached_property
    def paths(self) -> tuple[str, ...]:
        """Every field of any member."""
        return tuple(dict.fromkeys(path for member in self.members for path in member.fields))


def sample(members: Sequence[Member], quantity: str = "grokked_at") -> Sample:
    """Return the times [n] of members and whether each was seen [n]."""
    found = [member.time(quantity) for member in members]
    return np.array([t for t, _ in found], dtype=float), np.array([s for _, s in found], dtype=bool)


def varying(runs: Runs | Sequence[Run]) -> list[str]:
    """Return the paths of configuration fields in which runs differ; labels and notes do not count.

    Items of a list of sections are numbered, as in `penalties.0.weight`.
    """
    return list(_varying([leaves(encode(run.config)) for run in runs]))


def leaves(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Return the values of a configuration by dotted path.

    >>> leaves({"penalties": [{"kind": "l2"}], "betas": [0.9, 0.98]})
    {'penalties.0.kind': 'l2', 'betas': [0.9, 0.98]}
    """
    if isinstance(tree, list) and any(isinstance(item, dict) for item in tree):
        tree = {str(number): item for number, item in enumerate(tree)}
    if not isinstance(tree, dict):
        return {prefix.removesuffix("."): tree}
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= leaves(value, f"{prefix}{key}.")
    return found


def telling(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return few paths whose values tell all rows apart, in the order of the rows' paths.

    Greedy: the path that splits most comes first, which need not give the fewest.

    >>> telling([{"a": 1, "p": 5, "d": 1, "w": 2}, {"a": 1, "p": 7, "d": 2, "w": 2}])
    ['p']
    """
    paths = list(dict.fromkeys(path for row in rows for path in row))
    if len(paths) <= FEW:
        return paths
    kept: list[str] = []

    def apart(by: Sequence[str]) -> int:
        return len({tuple(repr(row.get(path)) for path in by) for row in rows})

    while apart(kept) < apart(paths):
        kept.append(max(paths, key=lambda path: apart([*kept, path])))
    return [path for path in paths if path in kept]


def short(path: str, among: Mapping[str, Any] | Sequence[str]) -> str:
    """Return the last word of a path, or more of it where others end alike.

    >>> short("model.init.scale", ["model.init.scale", "data.scale"])
    'init.scale'
    """
    parts = path.split(".")
    for start in range(len(parts) - 1, 0, -1):
        word = ".".join(parts[start:])
        if not word[0].isdigit() and sum(f".{other}".endswith(f".{word}") for other in among) == 1:
            return word
    return path


def shown(value: Any) -> str:
    """Return a value of a configuration as a person writes it."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _varying(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    paths = dict.fromkeys(path for row in rows for path in row)
    return tuple(
        path
        for path in paths
        if path.partition(".")[0] not in LABELS and len({repr(row.get(path)) for row in rows}) > 1
    )


def _rank(value: Any) -> tuple[int, float, str]:
    """Return a key that sorts missing values first, then numbers, then words."""
    if value is None:
        return 0, 0.0, ""
    return (1, float(value), "") if isinstance(value, (int, float)) else (2, 0.0, str(value))
