"""A measurement too large for the machine: refused beforehand, in words, and training goes on.

A metric says that it needs more memory than is free, from a little more to a million times as
much. It must not be begun, its estimate must be told, and the run must be what it is without it.
"""

import contextlib
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from unittest import mock

from board import Group, Score
from trials import TINY, differences, told

import grokscope
from grokscope.config import load
from grokscope.engine import member
from grokscope.metrics import METRICS, base, metric
from grokscope.ops.memory import SHARE, free_memory
from grokscope.snapshot import Snapshot


@contextlib.contextmanager
def asking(needed: int) -> Iterator[list[int]]:
    """Register a metric that says it needs so many bytes; yield the steps at which it was begun."""
    begun: list[int] = []

    def enormous(snapshot: Snapshot) -> float:
        """Stand for a measurement that takes all the memory there is."""
        begun.append(snapshot.step)
        return 0.0

    with mock.patch.object(METRICS, "_parts", dict(METRICS._parts)):
        metric(label="Enormous", group="Faults", needs=lambda snapshot: needed)(enormous)
        yield begun


def run(count: int, seed: int, folder: Path) -> Score:
    """Ask `count` times for too much."""
    rng = random.Random(seed)
    score = Score("memory", tried=count)
    reference = grokscope.train(TINY.recipe, TINY.overrides, out=folder, name="reference").path
    for number in range(count):
        needed = int(free_memory() * 10 ** rng.uniform(0.1, 6) / SHARE)
        problem = trial(folder / f"trial-{number}", reference, needed)
        score.failures += [f"{needed:,} bytes: {problem}"] if problem else []
    for name, patch in MUTANTS.items():
        with patch():
            place = folder / name.replace(" ", "-")
            score.caught[name] = bool(trial(place, reference, 2 * free_memory()))
    score.notes.append("an exact Hessian does not exist in this version; a metric stands for it")
    return score


def trial(out: Path, reference: Path, needed: int) -> str:
    """Return what did not hold when a metric asked for so many bytes."""
    with asking(needed) as begun:
        metrics = load(TINY.recipe, TINY.overrides, environment={}).measure.metrics
        settings = [*TINY.overrides, f"measure.metrics=[{', '.join([*metrics, 'enormous'])}]"]
        found = grokscope.train(TINY.recipe, settings, out=out, name="run")
        if begun:
            return f"was begun at step {begun[0]}"
        missing = found.status["missing"]
        reason = f"TooLargeError: enormous: needs about {needed / 1e9:.1f} GB, "
        if set(missing) != {"enormous"} or not missing["enormous"].startswith(reason):
            return f"is missing for {missing}"
        odd = [line for line in differences(found.path, reference) if "missing is" not in line]
        return told(odd)


def unasked() -> AbstractContextManager[object]:
    """Break: look at no estimate."""
    return mock.patch.object(base, "check_memory", return_value=None)


def wordless() -> AbstractContextManager[object]:
    """Break: leave it out without a word."""
    measure = base.measure

    def strict(snapshot: Snapshot, metrics: object, *, missing: object = None) -> object:
        return measure(snapshot, [m for m in metrics if m.needs is None])  # type: ignore[attr-defined]

    return mock.patch.object(member, "measure", strict)


MUTANTS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "looks at no estimate": unasked,
    "says nothing of what is missing": wordless,
}

GROUP = Group("memory", run, quick=3, long=30)
