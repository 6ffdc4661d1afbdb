"""Many processes want one run: one writes, the others are refused at once and nothing is mixed up.

Each round: 20 processes go on with one run at the same moment; 20 begin a run of one name; and a
writer is suspended, its lock is lost or kept, another one takes over, and the first wakes up.
"""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import shim
from board import Group, Score
from server import Call, Child, call, server
from trials import (
    RECIPES,
    Place,
    Reference,
    caught,
    contents,
    differences,
    observe,
    observed,
    refer,
    told,
)

import grokscope
from grokscope import launch
from grokscope.store import lock, writer

MANY = 20
AT_ONCE = 2.0
SLOW = 0.3
LOSSES = ("kept", "file removed", "forgotten", "file removed, both alive")
"""What becomes of the lock of a suspended writer."""


def begin_at(moment: float, times: str) -> None:
    """Wait for a moment before a run is begun or gone on with, and note how long that takes."""

    def timed(original: Any) -> Any:
        def wait_and_time(*args: Any, **options: Any) -> Any:
            time.sleep(max(0.0, moment - time.time()))
            begun = time.monotonic()
            try:
                return original(*args, **options)
            finally:
                with open(times, "a") as file:
                    file.write(f"{os.getpid()} {time.monotonic() - begun}\n")

        return wait_and_time

    grokscope.train, grokscope.resume = timed(launch.train), timed(launch.resume)


def pause_before_making(path: str, sign: str) -> None:
    """Stop where `create` has seen that the run's directory is free and is about to make it."""
    original = writer.appear

    def appear(folder: Path, files: Mapping[str, bytes]) -> None:
        if str(folder) == path:
            Path(sign).touch()
            os.kill(os.getpid(), signal.SIGSTOP)
        original(folder, files)

    writer.appear = appear


def forget_locks() -> None:
    """Behave like a file system that has lost its locks."""
    fcntl.flock = lambda descriptor, operation: None


def no_lock() -> None:
    """Break the build: nobody is kept out."""
    writer.locked = lambda path: contextlib.nullcontext()
    launch.held = lambda path: contextlib.nullcontext(contextlib.nullcontext)


def no_fence() -> None:
    """Break the build: a writer that has lost its lock does not look."""
    lock.fenced = lambda folder, check: contextlib.nullcontext()


def run(count: int, seed: int, folder: Path) -> Score:
    """Make `count` rounds of three trials, and one of a late beginner."""
    score = Score("writers")
    reference = refer(server(), folder, RECIPES[0])
    kept = _begun(folder, reference)
    slowest = 0.0
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        for kind, start in (("go on", kept), ("begin", None)):
            place = Place(server(), folder / f"{kind}-{number}", reference, kept=start)
            wrong, seconds = _contend(place, reference, MANY)
            slowest = max(slowest, seconds)
            score.failures += [f"round {number}, all {kind} at once: {wrong}"] if wrong else []
            place.clear()
        loss = LOSSES[number % len(LOSSES)]
        wrong = _wake(folder / f"wake-{number}", reference, loss, rng)
        score.failures += [f"round {number}, suspended, lock {loss}: {wrong}"] if wrong else []
    wrong = _late(Place(server(), folder / "late", reference), reference)
    score.failures += [f"a late beginner: {wrong}"] if wrong else []
    score.tried = 3 * count + 1

    def unlocked(number: int) -> str:
        place = Place(server(), folder / f"no-lock-{number}", reference, kept=kept)
        return _contend(place, reference, 4, call(no_lock))[0]

    def unfenced(number: int) -> str:
        rng = np.random.default_rng([seed, number])
        where = folder / f"no-fence-{number}"
        return _wake(where, reference, LOSSES[1], rng, call(no_fence))

    score.caught = {"no_lock": caught(unlocked, 3), "no_fence": caught(unfenced, 3)}
    score.notes += [
        f"{MANY} processes each time; the slowest refusal took {slowest:.2f} s",
        "not covered: a writer suspended between its last look at the fence and the rename",
    ]
    return score


def _begun(folder: Path, reference: Reference) -> Path:
    """Return a run that was killed after a quarter of its steps."""
    place = Place(server(), folder / "begun", reference)
    events = folder / "begun" / "events"
    whole = Place(server(), folder / "whole", reference)
    whole.once(call(shim.record, root=str(whole.disk), log=str(events)))
    named = [(event.name, Path(event.target).name) for event in shim.recorded(events)]
    at = named.index(("rename", "step_000000020"))
    place.once(call(shim.kill_at, root=str(place.disk), number=at, phase="after"))
    return place.path


def _contend(place: Place, reference: Reference, many: int, *before: Call) -> tuple[str, float]:
    """Start many processes on one run; return what is wrong and the slowest refusal."""
    seen, times = place.folder / "seen", place.folder / "times"
    beginning = not place.path.exists()
    rows = len(observed(seen))
    moment = time.time() + 0.5 + 0.03 * many
    calls = place.calls(
        call(observe, path=str(seen), pause=SLOW),
        call(begin_at, moment=moment, times=str(times)),
        *before,
    )
    children = [server().start(place.folder / f"log-{i}", calls) for i in range(many)]
    codes = {child.pid: child.wait() for child in children}
    took = dict(line.split() for line in times.read_text().splitlines())
    refused = {pid: code for pid, code in codes.items() if code != 0}
    slowest = max((float(took.get(str(pid), np.inf)) for pid in refused), default=0.0)
    trained = set(observed(seen)[rows:])
    if len(refused) != many - 1 or len(trained) != 1:
        said = {child.said().strip()[-200:] for child in children}
        return f"{len(trained)} processes trained, exits {sorted(codes.values())}: {said}", slowest
    if odd := set(refused.values()) - ({2, 3} if beginning else {3}):
        said = [child.said().strip()[-300:] for child in children if codes[child.pid] in odd]
        return f"refused with exit {odd}: {said[0]}", slowest
    if slowest > AT_ONCE:
        return f"a refusal took {slowest:.1f} s", slowest
    return told(differences(place.path, reference.path)), slowest


def _wake(
    folder: Path, reference: Reference, loss: str, rng: np.random.Generator, *before: Call
) -> str:
    """Suspend a writer, let another one try or take over, wake the first; what is wrong then."""
    place = Place(server(), folder, reference)
    seen = folder / "seen"
    first = _first(place, seen, rng, *before)
    log = folder / "log-second"
    if loss == "kept":
        second = server().run(log, place.calls())
        first.send(signal.SIGCONT)
        ended = first.wait()
        if (second, ended) != (3, 0):
            return f"exits {second} and {ended}: {log.read_text()[-300:]}"
        return told(differences(place.path, reference.path))
    forgetting = [call(forget_locks)] if loss == "forgotten" else []
    if not forgetting:
        (place.path / ".lock").unlink()
    alive = loss.endswith("both alive")
    watching = call(observe, path=str(folder / "seen-second"), pause=SLOW if alive else 0.0)
    second_child = server().start(log, place.calls(watching, *forgetting, *before))
    if alive:
        _stop_after(second_child, folder / "seen-second", 2)
    elif code := second_child.wait():
        return f"could not take over: exit {code}: {log.read_text()[-300:]}"
    before_waking = contents(place.path)
    first.send(signal.SIGCONT)
    ended = first.wait()
    if contents(place.path) != before_waking:
        return f"the suspended writer wrote (exit {ended})"
    if ended != 3:
        return f"the suspended writer ended with exit {ended}: {place.said}"
    if alive:
        second_child.send(signal.SIGCONT)
        if code := second_child.wait():
            return f"the new writer ended with exit {code}: {log.read_text()[-300:]}"
    return told(differences(place.path, reference.path))


def _first(place: Place, seen: Path, rng: np.random.Generator, *before: Call) -> Child:
    """Return a writer that is suspended at a random moment after its first rows."""
    first = place.start(call(observe, path=str(seen), pause=0.02), *before)
    _stop_after(first, seen, int(rng.integers(1, 6)), rng.uniform(0, 0.03))
    return first


def _stop_after(child: Child, seen: Path, rows: int, delay: float = 0.0) -> None:
    until = time.monotonic() + 30
    while len(observed(seen)) < rows and time.monotonic() < until:
        time.sleep(0.002)
    time.sleep(delay)
    child.send(signal.SIGSTOP)


def _late(place: Place, reference: Reference) -> str:
    """Let a process find the name free, and go on only when another has used it."""
    sign = place.folder / "sign"
    pausing = call(pause_before_making, path=str(place.path), sign=str(sign))
    log = place.folder / "log-late"
    late = server().start(log, place.calls(pausing))
    until = time.monotonic() + 30
    while not sign.exists() and time.monotonic() < until:
        time.sleep(0.005)
    if place.once():
        return f"the other could not train: {place.said}"
    before = contents(place.path)
    late.send(signal.SIGCONT)
    code = late.wait()
    if contents(place.path) != before:
        return f"wrote over a finished run (exit {code})"
    return "" if code in (2, 3) else f"exit {code}: {log.read_text()[-300:]}"


GROUP = Group("writers", run, quick=3, long=50)
