"""Damaged files: every bit counts, and what is damaged is passed over, never believed or deleted.

Each trial damages one thing in a copy of a small run. It must be named by `verify`, reading must
refuse it, and going on must reach the bits of the run that nothing happened to, from the newest
checkpoint before the damage; or, where none is left, it must say so and touch nothing.
"""

import contextlib
import dataclasses
import itertools
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import payloads
import torch
import trials
from board import Group, Score

import grokscope
from grokscope.errors import GrokscopeError, NoValidStateError
from grokscope.store import belonging, checkpoint, history, writer
from grokscope.store import run as run_module

SMALL = (
    "task.p=7",
    "model.width=8",
    "data.train_fraction=0.5",
    "stop=never",
    "steps=60",
    "measure.every=5",
    "measure.dense_every=5",
    "checkpoint.every=20",
    "checkpoint.early=[0, 10]",
    "threads=1",
)
STOPPED_AT = 47
FILES = ("model.safetensors", "optimizer.safetensors", "state.json", "manifest.json")
RESUME_EVERY = 5
"""One trial in so many goes all the way to the end of the run."""


@dataclass(frozen=True)
class Pair:
    """One configuration twice: stopped on the way, with segments, and finished."""

    stopped: Path
    finished: Path


@dataclass(frozen=True)
class Case:
    """One thing to damage.

    base: the run it is done to; files: what of it is harmed, relative; harm(run) does it.
    """

    name: str
    base: Path
    files: tuple[str, ...]
    harm: Callable[[Path], None]


def pair(folder: Path, seed: int) -> Pair:
    """Train both runs of a pair."""
    asked = itertools.count()
    settings = [*SMALL, f"seed={seed}"]
    stopped = grokscope.train(
        "quick",
        settings,
        out=folder / "stopped",
        name="run",
        stop_requested=lambda: next(asked) >= STOPPED_AT,
    )
    finished = grokscope.train("quick", settings, out=folder / "finished", name="run")
    return Pair(stopped.path, finished.path)


def run(count: int, seed: int, folder: Path) -> Score:
    """Damage `count` checkpoint and `count` history files; empty and swap at most as many."""
    rng = random.Random(seed)
    pairs = [pair(folder / str(number), number) for number in range(2)]
    once = [*emptied(pairs[0]), *swapped(*pairs)]
    cases = [
        *checkpoint_cases(pairs[0], count, rng),
        *history_cases(pairs[0], count, rng),
        *rng.sample(once, min(count, len(once))),
    ]
    score = Score("damage")
    work = folder / "work"
    undamaged = Case("nothing", pairs[0].stopped, (), lambda run: None)
    score.failures += [f"undamaged: {line}" for line in trial(undamaged, pairs[0], work, True)]
    ends = 0
    for number, case in enumerate(cases):
        whole = number % RESUME_EVERY == 0 or case.name.startswith(("empty", "swapped"))
        ends += whole
        score.tried += 1
        problems = trial(case, pairs[0], work, whole)
        if problems:
            score.failures.append(f"{case.name} ({case.base.parent.name} run): {problems[0]}")
    score.notes.append(f"{ends} of {len(cases)} trials went on to the end of the run")
    for name, mutant in MUTANTS.items():
        score.caught[name] = is_caught(mutant, pairs[0], work, random.Random(seed))
    return score


def checkpoint_cases(runs: Pair, count: int, rng: random.Random) -> Iterator[Case]:
    """Yield damages to the newest checkpoint; larger files are hit more often, none rarely."""
    for kind, share in payloads.shares(count).items():
        for _ in range(share):
            base = rng.choice([runs.stopped, runs.finished])
            place = newest(base)
            sizes = [max((base / place / name).stat().st_size, 400) for name in FILES]
            yield bytewise(kind, base, f"{place}/{rng.choices(FILES, sizes)[0]}", rng)


def history_cases(runs: Pair, count: int, rng: random.Random) -> Iterator[Case]:
    """Yield damages to segments, joined files and the hashes beside them, clocks included."""
    files = history_files(runs)
    for kind, share in payloads.shares(count).items():
        for _ in range(share):
            base, name = rng.choice(files)
            yield bytewise(kind, base, name, rng)


def history_files(runs: Pair) -> list[tuple[Path, str]]:
    """Return each file that holds rows, with the run it is of; clocks count half."""
    names = ("history.parquet", "history.sha256") * 4 + ("clock.parquet", "clock.sha256")
    joined = [(runs.finished, name) for name in names]
    parts = [path.relative_to(runs.stopped) for path in runs.stopped.glob("*/rows_*.parquet")]
    weights = {"history": 2, "clock": 1}
    return joined + [
        (runs.stopped, str(part)) for part in parts for _ in range(weights[part.parts[0]])
    ]


def emptied(runs: Pair) -> Iterator[Case]:
    """Yield each file once, empty."""
    files = [(runs.finished, f"{newest(runs.finished)}/{name}") for name in FILES]
    for base, name in dict.fromkeys(files + history_files(runs)):
        yield writing("empty", base, name, b"")


def swapped(runs: Pair, others: Pair) -> Iterator[Case]:
    """Yield files and directories that were taken from another run, or from another step."""
    place = newest(runs.finished)
    earlier = "checkpoints/step_000000020"
    for name in FILES:
        for source in (others.finished / place, runs.finished / earlier):
            content = (source / name).read_bytes()
            yield writing("swapped", runs.finished, f"{place}/{name}", content)
    yield replacing("checkpoint", runs.finished, [place], others.finished)
    yield replacing("joined history", runs.finished, ["history.parquet"], others.finished)
    both = ["history.parquet", "history.sha256"]
    yield replacing("joined history and its hash", runs.finished, both, others.finished)
    yield replacing("configuration", runs.finished, ["config.yaml"], others.finished)
    identity = ["config.yaml", "provenance.json"]
    yield replacing("configuration and provenance", runs.finished, identity, others.finished)
    yield Case("swapped: checkpoint of another step", runs.finished, (place,), moved(earlier))
    for number in (0, 2):
        yield exchanged(runs.stopped, others.stopped, number)


def strange_cases(runs: Pair, count: int, rng: random.Random) -> Iterator[Case]:
    """Yield what is sound in itself and of another run."""
    other = pair(runs.stopped.parents[1] / "other", 1)
    yield replacing("checkpoint", runs.finished, [newest(runs.finished)], other.finished)


def moved(source: str) -> Callable[[Path], None]:
    """Return what puts the checkpoint of another step in the place of the newest."""

    def harm(run: Path) -> None:
        place = newest(run)
        shutil.rmtree(run / place)
        shutil.copytree(run / source, run / place)

    return harm


def replacing(what: str, base: Path, names: list[str], other: Path) -> Case:
    """Return the case of things that come whole from another run."""

    def harm(run: Path) -> None:
        for name in names:
            if (run / name).is_dir():
                shutil.rmtree(run / name)
                shutil.copytree(other / name, run / name)
            else:
                shutil.copy(other / name, run / name)

    return Case(f"swapped: {what} of another run", base, (names[0],), harm)


def exchanged(base: Path, other: Path, number: int) -> Case:
    """Return the case of a segment that gave way to the same rows of another run."""
    ours, theirs = (sorted((run / "history").glob("rows_*"))[number] for run in (base, other))

    def harm(run: Path) -> None:
        (run / "history" / ours.name).unlink()
        shutil.copy(theirs, run / "history" / theirs.name)

    return Case(
        f"swapped: segment {number} of another run", base, (f"history/{theirs.name}",), harm
    )


def bytewise(kind: str, base: Path, name: str, rng: random.Random) -> Case:
    """Return the case of a file with damaged bytes."""
    return writing(kind, base, name, payloads.damaged(kind, (base / name).read_bytes(), rng))


def writing(kind: str, base: Path, name: str, content: bytes) -> Case:
    """Return the case of a file with other content."""
    return Case(f"{kind}: {name}", base, (name,), lambda run: _write(run / name, content))


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def newest(run: Path) -> str:
    """Return the directory of the newest checkpoint, relative."""
    return str(checkpoint.directory(run, checkpoint.steps(run)[-1]).relative_to(run))


def trial(case: Case, runs: Pair, work: Path, whole: bool) -> list[str]:
    """Return what did not hold when this case was tried; `whole`: also go on to the end."""
    shutil.rmtree(work, ignore_errors=True)
    path = work / "run"
    shutil.copytree(case.base, path)
    case.harm(path)
    before = contents(path)
    try:
        problems = [] if case.name == "nothing" else unnoticed(case, path)
        if contents(path) != before:
            problems.append("looking changed the run")
        if whole:
            problems += not_mended(case, path, runs, before)
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]
    return problems


def unnoticed(case: Case, path: Path) -> list[str]:
    """Return in which ways the damage was overlooked."""
    found = grokscope.open(path)
    lines = found.verify()
    if not lines:
        return ["verify finds nothing"]
    problems = []
    if any("\n" in line or str(path) not in line for line in lines):
        problems.append(f"verify does not say where: {lines[0]}")
    hit = case.files[0]
    if hit.startswith("checkpoints"):
        place = "/".join(hit.split("/")[:2])
        if not any(place in line for line in lines):
            problems.append(f"verify does not name {place}: {lines[0]}")
        if not refused(found.snapshot):
            problems.append("a snapshot is made of it")
        saved = belonging.newest(path)[0]
        if saved is None or saved.step >= int(place[-9:]):
            problems.append("the newest valid checkpoint is not the one before")
    elif hit.startswith("history") and not refused(lambda: found.history):
        problems.append("the history is read as if it were whole")
    return problems


def refused(read: Callable[[], object]) -> bool:
    """Return whether reading refuses in words."""
    try:
        read()
    except NoValidStateError as error:
        return len(str(error).splitlines()) == 1
    return False


def not_mended(case: Case, path: Path, runs: Pair, before: dict[str, bytes]) -> list[str]:
    """Return what is wrong after going on: another end, or something lost."""
    try:
        grokscope.resume(path)
    except GrokscopeError as error:
        after = contents(path)
        if after != before:
            odd = sorted(name for name in before if after.get(name) != before[name])
            return [f"refused, yet {odd or sorted(set(after) - set(before))} changed"]
        return [] if hopeless(case, path) else [f"cannot go on: {error}"]
    problems = trials.differences(path, runs.finished)
    kept = set(contents(path).values())
    for name in case.files:
        harmed = [n for n in before if n == name or n.startswith(f"{name}/")]
        lost = [n for n in harmed if before[n] not in kept]
        problems += [f"{lost[0]} as it was found is gone"] if lost else []
    return problems


def hopeless(case: Case, path: Path) -> bool:
    """Return whether nothing is left to go on from: the first rows, or the identity, are gone."""
    if case.name.startswith("swapped: config"):
        return True
    return belonging.newest(path)[0] is None


def contents(path: Path) -> dict[str, bytes]:
    """Return every file of a run by its name, but for locks and what says who holds them."""
    files = [p for p in path.rglob("*") if p.is_file() and p.name not in (".lock", ".owner")]
    return {str(p.relative_to(path)): p.read_bytes() for p in files}


Patches = Callable[[], contextlib.AbstractContextManager[object]]


def no_checkpoint_hashes() -> contextlib.AbstractContextManager[object]:
    """Break: believe every checkpoint whose files can be parsed."""
    stack = contextlib.ExitStack()
    stack.enter_context(mock.patch.object(checkpoint, "damage", return_value=""))
    stack.enter_context(mock.patch.object(run_module, "damage", return_value=""))
    return stack


def no_history_hashes() -> contextlib.AbstractContextManager[object]:
    """Break: believe every Parquet file that can be parsed, its pages unchecked."""
    read = history.pq.read_table
    stack = believing()
    stack.enter_context(
        mock.patch.object(history.Segment, "content", lambda self: self.path.read_bytes())
    )
    stack.enter_context(
        mock.patch.object(
            history.pq, "read_table", lambda source, page_checksum_verification: read(source)
        )
    )
    return stack


def believing() -> contextlib.ExitStack:
    """Break: ask of no file whether it is of this run, where it is sound in itself."""
    stack = contextlib.ExitStack()
    for module in (belonging, run_module):
        for name in ("misplaced", "foreign"):
            stack.enter_context(mock.patch.object(module, name, return_value=""))
    return stack


def deleting() -> contextlib.AbstractContextManager[object]:
    """Break: remove what is damaged instead of setting it aside."""

    def remove(path: Path, prefix: str = "") -> Path:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        return path

    stack = contextlib.ExitStack()
    for module in (writer, history, checkpoint):
        stack.enter_context(mock.patch.object(module, "set_aside", remove))
    return stack


def forgetting() -> contextlib.AbstractContextManager[object]:
    """Break: go on with a fresh optimizer, as loops do that save only weights."""
    read = checkpoint.read

    def forget(run: Path, step: int) -> checkpoint.Checkpoint:
        saved = read(run, step)
        empty = {name: torch.zeros_like(x) for name, x in saved.optimizer.items()}
        return dataclasses.replace(saved, optimizer=empty)

    return mock.patch.object(checkpoint, "read", forget)


MUTANTS: dict[str, tuple[Patches, Callable[[Pair, int, random.Random], Iterator[Case]]]] = {
    "no hashes of checkpoints": (no_checkpoint_hashes, checkpoint_cases),
    "no hashes of history": (no_history_hashes, history_cases),
    "deletes what is damaged": (deleting, checkpoint_cases),
    "resumes without the optimizer": (forgetting, checkpoint_cases),
    "takes what is of another run": (believing, strange_cases),
}


def is_caught(
    mutant: tuple[Patches, Callable[[Pair, int, random.Random], Iterator[Case]]],
    runs: Pair,
    work: Path,
    rng: random.Random,
) -> bool:
    """Return whether some of twenty trials fail in a broken build, and hold in a sound one."""
    patches, make = mutant
    for case in make(runs, 20, rng):
        with patches():
            failed = bool(trial(case, runs, work, True))
        if failed and not trial(case, runs, work, True):
            return True
    return False


GROUP = Group("damage", run, quick=60, long=600)
