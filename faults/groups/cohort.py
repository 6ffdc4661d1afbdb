"""A cohort of eight, trained in one batch and killed: each member goes on alone to the same end.

What a member had stored must be, to the bit, what the cohort stores when nothing disturbs it. What
it computes alone afterward rounds otherwise than a batch does, so the end is compared within a
tolerance, in float64.
"""

import json
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from board import Group, Score
from groups.kill import forget_optimizer
from server import Call, call, server
from trials import TINY, caught, told

import grokscope
from grokscope import launch
from grokscope.config import load
from grokscope.errors import GrokscopeError
from grokscope.store import checkpoint, history, open_run
from grokscope.store.writer import Writer

SIZE = 8
NAMES = [f"seed-{seed}" for seed in range(SIZE)]
TOLERANCE = 1e-9
SETTINGS = [*TINY.overrides, "precision.parameters=float64", "steps=60"]


def announce_members(path: str) -> None:
    """Make this process note the member and the step of each checkpoint when it has saved it."""
    original = Writer.saved

    def saved(self: Writer, state: checkpoint.Checkpoint) -> None:
        original(self, state)
        with open(path, "a") as file:
            file.write(json.dumps([self.path.name, state.step]) + "\n")

    Writer.saved = saved  # type: ignore[method-assign]


def train_members(out: str) -> None:
    """Train the cohort in one batch; go on with members that are there, begin the others alone."""
    folder = Path(out)
    configs = [load(TINY.recipe, [*SETTINGS, f"seed={seed}"], environment={}) for seed in range(8)]
    if not any((folder / name).exists() for name in NAMES):
        launch.train_cohort(configs, out=folder, names=NAMES)
        return
    for name, config in zip(NAMES, configs, strict=True):
        if (folder / name).exists():
            grokscope.resume(folder / name)
        else:
            grokscope.train(config, out=folder, name=name)


def round_batches() -> None:
    """Break the build: the members of a batch get in one another's way."""
    original = Writer.measured

    def measured(self: Writer, step: int, values: dict[str, float], seconds: float) -> None:
        original(self, step, {name: float(np.float16(x)) for name, x in values.items()}, seconds)

    Writer.measured = measured  # type: ignore[method-assign]


MUTANTS = (forget_optimizer, round_batches)


def run(count: int, seed: int, folder: Path) -> Score:
    """Kill `count` cohorts, each once, and let every member go on."""
    score = Score("cohort", tried=count)
    reference = folder / "reference"
    for _ in range(2):  # the second gives the time
        shutil.rmtree(reference, ignore_errors=True)
        begun = time.perf_counter()
        if server().run(folder / "log", [call(train_members, out=str(reference))]):
            raise RuntimeError((folder / "log").read_text())
        seconds = time.perf_counter() - begun
    stood = 0
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        wrong, members = _trial(folder / f"trial-{number}", reference, seconds, rng)
        stood += members
        score.failures += [f"trial {number}: {wrong}"] if wrong else []
    for mutant in MUTANTS:

        def broken(number: int, mutant: Any = mutant) -> str:
            rng = np.random.default_rng([seed, number])
            where = folder / f"{mutant.__name__}-{number}"
            return _trial(where, reference, seconds, rng, call(mutant))[0]

        score.caught[mutant.__name__] = caught(broken, 8)
    score.notes.append(
        f"{stood} of {SIZE * count} members had begun; stored rows and states equal to the bit, "
        f"those after within {TOLERANCE:g}"
    )
    return score


def _trial(
    folder: Path, reference: Path, seconds: float, rng: np.random.Generator, *before: Call
) -> tuple[str, int]:
    """Kill a cohort at a random moment and go on; return what is wrong and how many had begun."""
    folder.mkdir(parents=True)
    out, log, noted = folder / "runs", folder / "log", folder / "noted"
    calls = [call(announce_members, path=str(noted)), *before, call(train_members, out=str(out))]
    child = server().start(log, calls)
    time.sleep(rng.uniform(0, 1.1 * seconds))
    child.send(signal.SIGKILL)
    child.wait()
    begun = [name for name in NAMES if (out / name).exists()]
    wrong = _lost(out, noted) or told([w for n in begun for w in _stored(out / n, reference / n)])
    if not wrong and server().run(log, [*before, call(train_members, out=str(out))]):
        wrong = f"could not go on: {log.read_text().strip().splitlines()[-1]}"
    wrong = wrong or told([w for n in NAMES for w in _ends(out / n, reference / n)])
    shutil.rmtree(folder)
    return wrong, len(begun)


def _lost(out: Path, noted: Path) -> str:
    lines = [json.loads(line) for line in noted.read_text().splitlines()] if noted.exists() else []
    for name, step in lines:
        try:
            checkpoint.read(out / name, step)
        except GrokscopeError as error:
            return f"lost a checkpoint: {error}"
    return ""


def _stored(path: Path, reference: Path) -> list[str]:
    """Return in what a killed member differs from the same member of the whole cohort."""
    found = [f"verify: {line}" for line in open_run(path).verify()]
    rows = history.read(path, "history")
    whole = history.read(reference, "history").head(len(rows))
    if not rows.equals(whole.select(rows.columns), null_equal=True):
        found.append(f"{path.name}: the stored rows differ")
    for step in checkpoint.steps(path):
        ours, theirs = checkpoint.read(path, step), checkpoint.read(reference, step)
        if not all(torch.equal(x, theirs.params[name]) for name, x in ours.params.items()):
            found.append(f"{path.name}: the weights of step {step} differ")
    return found


def _ends(path: Path, reference: Path) -> list[str]:
    """Return in what a finished member is not close to the same member of the whole cohort."""
    found = [f"verify: {line}" for line in open_run(path).verify()]
    rows, whole = history.read(path, "history"), history.read(reference, "history")
    if rows["step"].to_list() != whole["step"].to_list() or set(rows.columns) != set(whole.columns):
        return [*found, f"{path.name}: other rows"]
    ours, theirs = rows.select(whole.columns).to_numpy(), whole.to_numpy()
    if not np.allclose(ours, theirs, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
        found.append(f"{path.name}: the history is not close")
    steps = [checkpoint.steps(run)[-1] for run in (path, reference)]
    if steps[0] != steps[1]:
        return [*found, f"{path.name}: ends at {steps[0]}"]
    left, right = checkpoint.read(path, steps[0]), checkpoint.read(reference, steps[1])
    for kind in ("params", "optimizer"):
        for name, x in getattr(left, kind).items():
            if not torch.allclose(x, getattr(right, kind)[name], rtol=TOLERANCE, atol=TOLERANCE):
                found.append(f"{path.name}: {name} is not close")
    return found


GROUP = Group("cohort", run, quick=6, long=100)
