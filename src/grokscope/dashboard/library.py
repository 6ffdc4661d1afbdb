"""The runs of a folder as they are now: read on demand, kept until a file changes, never written.

Every run is looked at each time; what was read of it before is used again as long as its files have
the size and time they had. A run that cannot be read is named with its reason and hides no other.
"""

import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl

from grokscope.analyses.outcomes import Member, Outcomes, leaves
from grokscope.analyses.sweep import Findings, analyze
from grokscope.config import encode
from grokscope.errors import GrokscopeError
from grokscope.store import Run, history
from grokscope.store.runs import run_directories

T = TypeVar("T")
Stamp = tuple[tuple[str, int, int], ...]
READ = ("config.yaml", "status.json", "provenance.json", "history.parquet", "history", "results")
"""What of a run is looked at."""


@dataclass(frozen=True)
class Entry:
    """A run that can be read: its name below the folder, and what it was when it was looked at."""

    name: str
    member: Member
    stamp: Stamp

    @property
    def run(self) -> Run:
        """The run."""
        return self.member.run

    @property
    def training(self) -> bool:
        """Whether it trains now, as far as its status says."""
        return self.member.status.get("state") == "running"


@dataclass(frozen=True)
class Shelf:
    """All runs of a folder at one moment, and a line for each that cannot be read."""

    entries: tuple[Entry, ...]
    problems: tuple[str, ...]

    def __getitem__(self, name: str) -> Entry:
        return next(entry for entry in self.entries if entry.name == name)


class Library:
    """A folder of runs to look at, with what was read of them so far."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._known: dict[Hashable, tuple[Hashable, Any]] = {}
        self._lock = threading.Lock()

    def look(self) -> Shelf:
        """Return the runs as they are now."""
        entries, problems = [], []
        for path in sorted(run_directories(self.folder)):
            stamp = _stamp(path)
            try:
                member = self._kept(("member", path), stamp, partial(_member, path))
                name = path.relative_to(self.folder).as_posix()
                entries.append(Entry(path.name if name == "." else name, member, stamp))
            except GrokscopeError as error:
                problems.append(self._told(error))
        return Shelf(tuple(entries), tuple(problems))

    def columns(self, entry: Entry) -> list[str]:
        """Return the names of what a run has measured."""
        return list(self._history(entry))

    def rows(self, entry: Entry) -> int:
        """Return how many evaluations a run has."""
        return len(self._history(entry)["step"])

    def series(self, entry: Entry, x: str, y: str) -> tuple[np.ndarray, np.ndarray]:
        """Return what was measured of a column after step 0 over another; both are finite."""
        rows = self._history(entry)
        if y not in rows:
            return np.empty(0), np.empty(0)
        place, values = self._seconds(entry) if x == "seconds" else rows[x], rows[y]
        seen = (rows["step"] > 0) & np.isfinite(place) & np.isfinite(values)
        return place[seen], values[seen]

    def findings(self, entries: Sequence[Entry]) -> Findings:
        """Return what many runs found, as the analysis of a sweep does."""
        stamps = tuple((entry.name, entry.stamp) for entry in entries)
        return self._kept("findings", stamps, lambda: analyze([entry.run for entry in entries]))

    def outcomes(self, entries: Sequence[Entry]) -> Outcomes:
        """Return runs in groups alike in all but the seed, by their configurations."""
        stamps = tuple((entry.name, entry.stamp) for entry in entries)
        members = [entry.member for entry in entries]
        return self._kept("outcomes", stamps, lambda: Outcomes.among(members))

    def drawn(self, key: Hashable, entries: Sequence[Entry], draw: Callable[[], T]) -> T:
        """Return what was drawn of runs before, as long as they are as they were, or draw it."""
        return self._kept(("drawn", key), tuple((e.name, e.stamp) for e in entries), draw)

    def _history(self, entry: Entry) -> dict[str, np.ndarray]:
        path = entry.run.path
        return self._kept(("history", path), entry.stamp, lambda: _arrays(history.sketch(path)))

    def _seconds(self, entry: Entry) -> np.ndarray:
        """Return the training time in s of each row of a history, nan where it was lost."""
        path = entry.run.path
        clock = self._kept(
            ("clock", path), entry.stamp, lambda: _arrays(history.sketch(path, "clock"))
        )
        steps = self._history(entry)["step"]
        if "seconds" not in clock:
            return np.full(len(steps), np.nan)
        at = np.searchsorted(clock["step"], steps).clip(max=len(clock["step"]) - 1)
        return np.where(clock["step"][at] == steps, clock["seconds"][at], np.nan)

    def _kept(self, key: Hashable, stamp: Hashable, read: Callable[[], T]) -> T:
        """Return what was read before where the stamp is the same, or read it. Keeps errors too."""
        with self._lock:
            before, found = self._known.get(key, (None, None))
        if before != stamp:
            try:
                found = read()
            except GrokscopeError as error:
                found = error
            with self._lock:
                if self._known.get(key, (None, None))[0] == stamp:  # another thread was sooner
                    found = self._known[key][1]
                self._known[key] = (stamp, found)
        if isinstance(found, GrokscopeError):
            raise found
        return found  # type: ignore[no-any-return]

    def _told(self, error: GrokscopeError) -> str:
        """Return the first line of an error with paths below the folder."""
        return str(error).splitlines()[0].replace(f"{self.folder}/", "")


def _member(path: Path) -> Member:
    run = Run(path)
    member = Member(run, leaves(encode(run.config)), run.status)
    _ = run.provenance
    history.sketch(path, columns=["step"])
    return member


def _arrays(frame: pl.DataFrame) -> dict[str, np.ndarray]:
    return {name: frame[name].to_numpy().astype(float) for name in frame.columns}


def _stamp(path: Path) -> Stamp:
    """Return names, sizes and times of the files of a run that are looked at."""
    return tuple(_stamps(path))


def _stamps(path: Path) -> Iterator[tuple[str, int, int]]:
    for name in READ:
        place = path / name
        try:
            found = place.stat()
            yield name, found.st_size, found.st_mtime_ns
            if name in ("history", "results"):
                below = sorted(place.glob("*" if name == "history" else "*/*"))
                yield from ((str(p), *_facts(p)) for p in below)
        except OSError:
            yield name, -1, -1


def _facts(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
