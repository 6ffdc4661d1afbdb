"""Death at every single call that changes the disk: K = 1 … last, before, half-way and after.

Three stories: a run from its start to its end (three checkpoints, compaction, the stored result),
going on with a run that was killed while it wrote a checkpoint, and going on beyond the end.
"""

import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shim
from board import Group, Score
from server import Call, call, server
from shim import PHASES, Event
from trials import TINY, Place, Recipe, Reference, caught, litter, refer, spaced

from grokscope.store import durable, history

LESS = 25


@dataclass(frozen=True)
class Story:
    """What a process does: how it finds the run, what it is asked for, and its calls."""

    name: str
    kept: Path | None
    more: tuple[str, ...]
    events: tuple[Event, ...]


def write_in_place(path: Path, content: bytes) -> None:
    """Write a file without a temporary one."""
    with durable.storage(path), open(path, "wb") as file:
        file.write(content)
        file.flush()


def in_place() -> None:
    """Break the build: files are written under their final names."""
    from grokscope.store import writer

    durable.write_file = history.write_file = writer.write_file = write_in_place


def delete_first() -> None:
    """Break the build: compaction removes the segments before it writes what they become."""
    original = history.write_file

    def write_file(path: Path, content: bytes) -> None:
        if path.name == f"{path.stem}.sha256":
            for segment in (path.parent / path.stem).glob("rows_*.parquet"):
                segment.unlink()
        original(path, content)

    history.write_file = write_file


MUTANTS = (in_place, delete_first)


def run(count: int, seed: int, folder: Path) -> Score:
    """Die at `count` calls of all stories, evenly spaced; at all of them if that is fewer."""
    score = Score("syscalls")
    reference = refer(server(), folder, TINY)
    told = stories(folder, reference)
    points = [point for story in told for point in _points(story)]
    chosen = spaced(points, count)
    left = 0
    for number, (story, at, phase) in enumerate(chosen):
        place = Place(
            server(), folder / f"trial-{number}", reference, kept=story.kept, more=story.more
        )
        wrong = _die(place, at, phase)
        left += bool(litter(place.disk))
        if wrong:
            event = story.events[at]
            what = f"{phase} {event.name} {event.path.rpartition('/disk/')[2]}"
            score.failures.append(f"{story.name}, call {at + 1} ({what}): {wrong}")
        place.clear()
    score.tried = len(chosen)
    for mutant in MUTANTS:
        score.caught[mutant.__name__] = _caught(folder, reference, mutant)
    calls = ", ".join(f"{story.name}: {len(story.events)}" for story in told)
    score.notes += [
        f"calls that change the disk: {calls}; {len(chosen)} of {len(points)} points tried",
        f"{left} runs keep temporary files of a killed process",
    ]
    return score


def stories(folder: Path, reference: Reference) -> list[Story]:
    """Return the three stories with the calls that each makes when nothing disturbs it."""
    begin = _told(folder, "beginning", reference, None)
    killed = Place(server(), folder / "killed", reference)
    names = [(event.name, Path(event.target).name) for event in begin.events]
    killed.once(_kill(killed, names.index(("rename", "step_000000020")), "before"))
    shorter = Recipe("shorter", TINY.recipe, (*TINY.changes, f"steps={LESS}"))
    short = refer(server(), folder, shorter).path
    return [
        begin,
        _told(folder, "going on", reference, killed.path),
        _told(folder, "going beyond the end", reference, short, ("steps=30",)),
    ]


def _told(
    folder: Path, name: str, reference: Reference, kept: Path | None, more: tuple[str, ...] = ()
) -> Story:
    place = Place(server(), folder / name, reference, kept=kept, more=more)
    log = place.folder / "events"
    recording = call(shim.record, root=str(place.disk), log=str(log))
    if place.once(recording):
        raise RuntimeError(f"{name}: {place.said}")
    story = Story(name, kept, more, tuple(shim.recorded(log)))
    shutil.rmtree(place.disk)
    return story


def _points(story: Story) -> list[tuple[Story, int, str]]:
    return [
        (story, at, phase)
        for at, event in enumerate(story.events)
        for phase in PHASES
        if phase != "half" or event.name == "write"
    ]


def _kill(place: Place, at: int, phase: str) -> Call:
    return call(shim.kill_at, root=str(place.disk), number=at, phase=phase)


def _die(place: Place, at: int, phase: str, *before: Call) -> str:
    code = place.once(*before, _kill(place, at, phase))
    if code != -signal.SIGKILL:
        return f"exit {code} instead of death: {place.said}"
    return place.lost() or place.finish(*before)


def _caught(folder: Path, reference: Reference, mutant: Any) -> bool:
    """Return whether a broken build fails somewhere; its own calls are counted first."""
    counting = Place(server(), folder / mutant.__name__, reference)
    log = counting.folder / "events"
    counting.once(call(mutant), call(shim.record, root=str(counting.disk), log=str(log)))
    points = _points(Story(mutant.__name__, None, (), tuple(shim.recorded(log))))
    tried = spaced(points, 60)[::-1]

    def trial(number: int) -> str:
        place = Place(server(), folder / f"{mutant.__name__}-{number}", reference)
        _, at, phase = tried[number]
        return _die(place, at, phase, call(mutant))

    return caught(trial, len(tried))


GROUP = Group("syscalls", run, quick=60, long=100_000)
