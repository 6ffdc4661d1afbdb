"""A disk that refuses: full, over quota, read-only, forbidden, broken; once or from then on.

The process is the real command inside a forked child. The faults come from the shim at the calls
of the stories of `syscalls`: a full disk and a broken one once at every call, where the number of
trials allows that, then random errors at random calls, once or from then on. Where mounting is
allowed, some disks are a small tmpfs that is really full, out of inodes or read-only.
"""

import contextlib
import errno
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import shim
from board import Group, Score
from groups.syscalls import Story, stories
from server import Call, call, server
from shim import Event
from trials import TINY, Place, Reference, caught, refer, spaced

from grokscope.store import checkpoint, durable, history, lock, open_run

CODES = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EACCES, errno.EROFS)
EVERYWHERE = (errno.ENOSPC, errno.EIO)
READING = (errno.EIO, errno.EACCES)
OPTIONAL = ("unlink", "rmdir", "failed mkdir")
"""Calls whose failure may be overlooked where nothing is lost by it."""
REMEDY = "free some|choose a|choose another|check the"


def swallow() -> None:
    """Break the build: errors of the disk are ignored, and what failed counts as saved."""
    durable.storage = history.storage = lock.storage = lambda path: contextlib.suppress(OSError)


def tell_raw() -> None:
    """Break the build: errors of the disk reach the user as they are."""
    durable.storage = history.storage = lock.storage = lambda path: contextlib.nullcontext()


def ignore_sync() -> None:
    """Break the build: a failed fsync does not count."""
    original = os.fsync

    def fsync(descriptor: int) -> None:
        with contextlib.suppress(OSError):
            original(descriptor)

    os.fsync = fsync


def leave_half() -> None:
    """Break the build: a checkpoint is written under its final name."""

    def write_directory(path: Path, files: dict[str, bytes]) -> None:
        with durable.storage(path):
            path.mkdir()
            for name, content in files.items():
                (path / name).write_bytes(content)

    checkpoint.write_directory = write_directory


MUTANTS = (swallow, tell_raw, ignore_sync, leave_half)


def run(count: int, seed: int, folder: Path) -> Score:
    """Make `count` trials: at every call, then random ones, one in ten of which on a real disk."""
    score = Score("storage")
    rng = np.random.default_rng(seed)
    reference = refer(server(), folder, TINY)
    told = stories(folder, reference)
    every = [(story, at, code) for story in told for at in _calls(story) for code in EVERYWHERE]
    chosen = every if count >= len(every) + 100 else spaced(every, count // 2)
    others = count - len(chosen)
    real = _real_trials(folder, reference, max(others // 10, 4))
    if not real:
        score.notes.append("real disks: skipped: no permission to mount")
    trials = [*real, *_everywhere(folder, reference, chosen)]
    trials += _shim_trials(folder, reference, told, others - len(real), rng)
    for label, trial in trials:
        if wrong := trial():
            score.failures.append(f"{label}: {wrong}")
    score.tried = len(trials)
    for mutant in MUTANTS:
        some = _shim_trials(folder / mutant.__name__, reference, told[:1], 60, rng, mutant)
        score.caught[mutant.__name__] = caught(lambda i, some=some: some[i][1](), len(some))
    score.notes.append(
        f"{len(chosen)} of {len(every)} pairs of a call and ENOSPC or EIO; of the other trials "
        f"{len(real)} on a real tmpfs, the others random"
    )
    return score


Trials = list[tuple[str, Callable[[], str]]]


def _calls(story: Story) -> range:
    return range(len(story.events))


def _everywhere(
    folder: Path, reference: Reference, chosen: Sequence[tuple[Story, int, int]]
) -> Trials:
    """Return a trial for each call and error, once each."""
    trials: Trials = []
    for number, (story, at, code) in enumerate(chosen):
        fault = {"number": at, "code": code, "lasting": False, "reads": False}
        where = folder / f"every-{number}"
        trial = partial(_meet, where, reference, story, story.events[at].name, fault, ())
        trials.append((_label(story, at, story.events[at], code, "once"), trial))
    return trials


def _label(story: Story, at: int, event: Event, code: int, how: str) -> str:
    what = f"{event.name} {event.path.rpartition('/disk/')[2]}".strip()
    return f"{story.name}, call {at + 1} ({what}) {errno.errorcode[code]} {how}"


def _shim_trials(
    folder: Path,
    reference: Reference,
    told: list[Story],
    count: int,
    rng: np.random.Generator,
    *mutants: Any,
) -> Trials:
    """Return trials at random calls with random errors; one in eight fails to read."""
    trials: Trials = []
    for number in range(count):
        story = told[int(rng.integers(len(told)))]
        reads = not mutants and number % 8 == 7
        code = int(rng.choice(READING if reads else CODES))
        lasting = bool(rng.random() < 0.5)
        at = int(rng.integers(40 if reads else len(story.events)))
        event = Event("read", "") if reads else story.events[at]
        label = _label(story, at, event, code, "from then on" if lasting else "once")
        fault = {"number": at, "code": code, "lasting": lasting, "reads": reads}
        where = folder / f"shim-{number}"
        trial = partial(_meet, where, reference, story, event.name, fault, mutants)
        trials.append((label, trial))
    return trials


def _meet(
    folder: Path,
    reference: Reference,
    story: Story,
    event: str,
    fault: dict[str, Any],
    mutants: tuple[Any, ...],
) -> str:
    place = Place(server(), folder, reference, kept=story.kept, more=story.more, command=True)
    failing = call(shim.fail_at, root=str(place.disk), **fault)
    wrong = _refused(place, event, failing, *map(call, mutants))
    place.clear()
    return wrong


def _refused(place: Place, event: str, *before: Call) -> str:
    """Meet a fault, then go on without it; return what is wrong with either."""
    code = place.once(*before)
    if code == 0 and (event in OPTIONAL or event == "read"):
        return place.finish()
    expected = (5, 6) if event == "read" else (5,)
    if code not in expected:
        return f"exit {code}: {place.said}"
    remedy = REMEDY if code == 5 else ""
    if wrong := _badly_told(place.all_said, place.folder, remedy) or _false(place):
        return wrong
    return place.lost() or place.finish()


def _badly_told(said: str, folder: Path, remedy: str = REMEDY) -> str:
    """Return what is wrong with how an error is told: one line, the path, a remedy."""
    if "Traceback" in said:
        return f"a traceback: {said.strip().splitlines()[-1]}"
    lines = [line for line in said.splitlines() if line.startswith("grokscope: ")]
    if len(lines) != 1:
        return f"{len(lines)} lines of error: {said[-300:]}"
    if f"grokscope: {folder}" not in lines[0]:
        return f"no path: {lines[0]}"
    if not re.search(remedy, lines[0]):
        return f"no remedy: {lines[0]}"
    return ""


def _false(place: Place) -> str:
    """Return what is said to be saved and is not."""
    for step in checkpoint.steps(place.path):
        if wrong := durable.damage(checkpoint.directory(place.path, step)):
            return f"a checkpoint that is none: {wrong}"
    status = place.path / "status.json"
    if status.exists() and open_run(place.path).status["state"] == "finished":
        return "; ".join(f"false end: {line}" for line in open_run(place.path).verify())
    return ""


@contextlib.contextmanager
def mounted(point: Path, options: str) -> Iterator[Callable[[str], None]]:
    """Mount a tmpfs; yield a function that mounts it again with other options."""
    point.mkdir(parents=True)

    def mount(options: str) -> None:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(point)],
            check=True,
            capture_output=True,
        )

    mount(options)
    try:
        yield lambda options: mount(f"remount,{options}")
    finally:
        subprocess.run(["umount", str(point)], check=True, capture_output=True)


def may_mount(folder: Path) -> bool:
    """Return whether a tmpfs can be mounted here."""
    try:
        with mounted(folder / "may-mount", "size=64k"):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def _real_trials(folder: Path, reference: Reference, count: int) -> Trials:
    """Return trials on tmpfs disks from too small for anything to nearly large enough."""
    if not may_mount(folder):
        return []
    files = list(reference.path.rglob("*"))
    pages = sum(-(-path.stat().st_size // 4096) for path in files if path.is_file())
    sizes = [f"size={4 * n}k" for n in range(1, int(pages * 0.9))]
    inodes = [f"size=8m,nr_inodes={n}" for n in range(2, int(len(files) * 0.9))]
    chosen = [*spaced(sizes, count - 1 - count // 3), *spaced(inodes, count // 3), "size=8m,ro"]

    def trial(number: int, options: str) -> str:
        place = Place(server(), folder / f"real-{number}", reference, command=True)
        with mounted(place.disk, options) as again:
            code = place.once()
            if code != 5:
                return f"exit {code}: {place.said}"
            if wrong := _badly_told(place.all_said, place.folder) or _false(place) or place.lost():
                return wrong
            again("size=8m,nr_inodes=10000,rw")
            return place.finish()

    return [
        (f"tmpfs {options}", lambda n=n, options=options: trial(n, options))
        for n, options in enumerate(chosen)
    ]


GROUP = Group("storage", run, quick=40, long=1_700)
