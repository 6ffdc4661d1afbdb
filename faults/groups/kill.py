"""SIGKILL at random times, again and again: what is resumed must equal what was never killed.

Two thirds of the kills come at a uniformly random time of the process's expected life. The others
aim: a kernel timer ends the process a random moment after it has entered a chosen function. Put
TMPDIR on a memory disk for speed; what a kill can do does not depend on the disk.
"""

import dataclasses
import importlib
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
from board import Group, Score
from server import Call, call, server
from trials import RECIPES, Place, Recipe, Reference, caught, litter, refer

from grokscope import launch
from grokscope.engine import member
from grokscope.engine.milestones import Milestones
from grokscope.store import history
from grokscope.store.checkpoint import Checkpoint

MOST_KILLS = 5
TARGETS = {
    "grokscope.launch:create": (1,),
    "grokscope.launch:reopen": (1,),
    "grokscope.store.checkpoint:write": (1, 2, 3),
    "grokscope.store.history:append": (1, 2, 3, 4, 5, 6),
    "grokscope.store.history:cut": (1, 2),
    "grokscope.store.history:compact": (1, 2),
    "grokscope.store.results:write": (1,),
    "grokscope.store.writer:Writer.finish": (1,),
}
"""Functions in which to die, and at which entries."""


def kill_inside(target: str, entry: int, delay: float) -> None:
    """Let the kernel end this process some seconds after a function is entered once more.

    The timer's default action ends the process as SIGKILL does: nothing of it runs any more.
    """
    module, _, path = target.partition(":")
    owner: Any = importlib.import_module(module)
    *classes, name = path.split(".")
    for part in classes:
        owner = getattr(owner, part)
    original = getattr(owner, name)
    entries = 0

    def aimed(*args: Any, **options: Any) -> Any:
        nonlocal entries
        entries += 1
        if entries == entry:
            signal.setitimer(signal.ITIMER_REAL, delay)
        return original(*args, **options)

    setattr(owner, name, aimed)


def forget_optimizer() -> None:
    """Break the build: a resumed run starts with fresh moments."""
    original = launch.state_of

    def state_of(config: Any, saved: Checkpoint) -> Any:
        state = original(config, saved)
        fresh = {name: x * 0 for name, x in state.optimizer.items()}
        return dataclasses.replace(state, optimizer=fresh)

    launch.state_of = state_of


def forget_order() -> None:
    """Break the build: the order of examples begins anew in every process."""
    original, begun = member.batch_rows, []

    def batch_rows(batch: Any, n: int, seed: int, step: int) -> Any:
        begun.append(step)
        return original(batch, n, seed, step - begun[0])

    member.batch_rows = batch_rows


def forget_milestones() -> None:
    """Break the build: a resumed run does not know what it had reached."""
    original = launch.state_of

    def state_of(config: Any, saved: Checkpoint) -> Any:
        return dataclasses.replace(original(config, saved), milestones=Milestones())

    launch.state_of = state_of


def keep_later_rows() -> None:
    """Break the build: the history is not cut back to its checkpoint."""
    history.cut = lambda run, series, rows, *, aside=False: None


MUTANTS = {
    forget_optimizer: ("mlp", "from the start"),
    forget_order: ("batches", "from the start"),
    forget_milestones: ("transformer", "from the start"),
    keep_later_rows: ("mlp", "beyond the end"),
}


def run(count: int, seed: int, folder: Path) -> Score:
    """Kill `count` runs, each several times; one in five is a shorter run that goes on."""
    score = Score("kill", tried=count)
    cast = {recipe.name: refer(server(), folder, recipe) for recipe in RECIPES}
    short = {name: _shorter(folder, cast[name]) for name in ("mlp", "transformer")}
    kills = left = 0

    def place(name: str, label: str, beyond: bool) -> Place:
        kept, more = (short[name], ["steps=80"]) if beyond else (None, [])
        return Place(server(), folder / label, cast[name], kept=kept, more=more)

    for number in range(count):
        beyond = number % 5 == 4
        name = list(short)[number % 2] if beyond else RECIPES[number % len(RECIPES)].name
        where = place(name, f"trial-{number}", beyond)
        killed, wrong = _kill_and_finish(where, cast[name], np.random.default_rng([seed, number]))
        kills, left = kills + killed, left + bool(litter(where.disk))
        if wrong:
            what = f"{name}, beyond its end" if beyond else name
            score.failures.append(f"trial {number} ({what}): {wrong}")
        where.clear()
    for mutant, (name, kind) in MUTANTS.items():

        def trial(number: int, mutant: Any = mutant, name: str = name, kind: str = kind) -> str:
            where = place(name, f"{mutant.__name__}-{number}", kind == "beyond the end")
            rng = np.random.default_rng([seed, number])
            return _kill_and_finish(where, cast[name], rng, call(mutant))[1]

        score.caught[mutant.__name__] = caught(trial, 12)
    score.notes += [
        f"{kills:,} kills in {count:,} runs; {left} keep temporary files of a killed process",
        "no pruning: nothing a run has saved is ever removed; a cohort is a group of its own",
    ]
    return score


def _shorter(folder: Path, reference: Reference) -> Path:
    """Return a finished run that stopped off schedule, before its reference does."""
    recipe = reference.recipe
    changes = (*recipe.changes, "steps=73")
    return refer(server(), folder, Recipe(f"{recipe.name}-short", recipe.recipe, changes)).path


def _kill_and_finish(
    place: Place, reference: Reference, rng: np.random.Generator, *before: Call
) -> tuple[int, str]:
    """Kill a run up to five times, then let it finish; return the kills and what went wrong."""
    kills = 0
    for _ in range(rng.integers(1, MOST_KILLS + 1)):
        code = _kill_once(place, reference, rng, *before)
        if code == 0:
            break
        if code not in (-signal.SIGKILL, -signal.SIGALRM):
            return kills, f"after {kills} kills: exit {code}: {place.said}"
        kills += code < 0
        if wrong := place.lost():
            return kills, f"after {kills} kills: {wrong}"
    return kills, place.finish(*before)


def _kill_once(place: Place, reference: Reference, rng: np.random.Generator, *before: Call) -> int:
    """Start a process, kill it at a random moment, and return its exit code."""
    if rng.random() < 1 / 3:
        target = str(rng.choice(list(TARGETS)))
        entry, delay = int(rng.choice(TARGETS[target])), 10 ** rng.uniform(-5, -1.7)
        return place.once(*before, call(kill_inside, target=target, entry=entry, delay=delay))
    left = 1 - min(place.step / 80, 1)
    child = place.start(*before)
    time.sleep(rng.uniform(0, (0.2 + 0.9 * left) * reference.seconds))
    child.send(signal.SIGKILL)
    return child.wait()


GROUP = Group("kill", run, quick=25, long=1000)
