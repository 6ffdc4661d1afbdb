"""Numbers that are none: a run that diverges says where and why, and its neighbors do not notice.

A NaN is planted in the weights, the gradient, the optimizer's state or the data of one member of
eight, in the update after a random step. Exactly that member must be reported, at the next step,
with the tensor it was planted in; the other seven must be what they are without it.
"""

import contextlib
import dataclasses
import json
import math
import random
import subprocess
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import torch
from board import Group, Score
from torch import Tensor

import grokscope
from grokscope import launch
from grokscope.config import RunConfig, decode
from grokscope.engine import Finished, Measured, train
from grokscope.engine import loop as loop_module
from grokscope.engine.member import Member
from grokscope.engine.steppers import Together
from grokscope.errors import DivergedError
from grokscope.store import checkpoint
from grokscope.store.writer import Writer
from grokscope.tasks.base import Dataset, Signature, Task

KINDS = ("weights", "gradient", "state", "data")
SIZE = 8
STEPS = 24
TOLERANCE = 1e-9
NEEDED = {"step", "first_bad", "norms", "lr", "last_rows", "try"}


@dataclass(frozen=True, kw_only=True)
class Points(Task):
    """A task on real inputs, which can hold a NaN: the quadrants of points in four dimensions."""

    kind: str = "points"

    def dataset(self) -> Dataset:
        """Return 48 points with two classes."""
        generator = torch.Generator().manual_seed(0)
        inputs = torch.randn(48, 4, generator=generator, dtype=torch.float64)
        targets = (inputs[:, 0] * inputs[:, 1] > 0).long()
        return Dataset(inputs, targets, Signature(num_classes=2, num_features=4))


@dataclass(frozen=True)
class Plant:
    """Where a NaN goes: into which member, in the update after which step, at which place."""

    kind: str
    member: int
    step: int
    place: int


def configs(kind: str) -> list[RunConfig]:
    """Return eight configurations of one cohort."""
    config = decode(
        {
            "steps": STEPS,
            "stop": "never",
            "task": {"kind": "modular", "p": 7},
            "data": {"train_fraction": 0.5},
            "model": {"kind": "mlp", "width": 6},
            "optimizer": {"kind": "adamw", "lr": 1e-2, "weight_decay": 0.5},
            "batch": {"size": 10 if kind == "data" else None},
            "precision": {"parameters": "float64"},
            "measure": {"every": 4, "dense_every": 2, "dense_until": 4},
            "checkpoint": {"every": 5, "early": [0, 3]},
            "threads": 1,
        }
    )
    if kind == "data":
        config = dataclasses.replace(config, task=Points())
    rates = (1e-3, 1e-2)
    return [
        dataclasses.replace(
            config, seed=i, optimizer=dataclasses.replace(config.optimizer, lr=rates[i % 2])
        )
        for i in range(SIZE)
    ]


@dataclass
class Trace:
    """What one member yielded."""

    rows: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    states: list[tuple[int, Tensor, dict[str, Tensor]]] = field(default_factory=list)
    ends: list[Finished] = field(default_factory=list)


def traced(cohort: Sequence[RunConfig], mapped: Literal["loop", "batch"]) -> list[Trace]:
    """Train a cohort and return what each member yielded."""
    found = [Trace() for _ in cohort]
    for record in train(cohort, mapped=mapped):
        one = found[record.member]
        if isinstance(record, Measured):
            one.rows.append((record.step, dict(record.values)))
        elif isinstance(record, Finished):
            one.ends.append(record)
        else:
            state = record.state
            one.states.append((state.step, state.params, dict(state.optimizer)))
    return found


@contextlib.contextmanager
def planted(plant: Plant) -> Iterator[None]:
    """Plant a NaN while the block trains, however it trains."""
    apply_alone, apply_together = Member.apply, Together.apply

    def alone(self: Member, gradient: Tensor) -> None:
        hit = self.number == plant.member and self.step == plant.step
        if hit and plant.kind == "gradient":
            gradient = gradient.clone()
        if hit:
            _spoil(plant, self, gradient, self.optimizer["exp_avg"])
        apply_alone(self, gradient)
        if hit and plant.kind == "weights":
            self.params[plant.place] = math.nan

    def together(self: Together) -> None:
        numbers = [member.number for member in self.members]
        hit = plant.member in numbers and self.members[0].step == plant.step
        row = numbers.index(plant.member) if hit else 0
        if hit:
            state = self._optimizer["exp_avg"][row]
            _spoil(plant, self.members[row], self._gradients[row], state)
        apply_together(self)
        if hit and plant.kind == "weights":
            self._params[row, plant.place] = math.nan

    with (
        mock.patch.object(Member, "apply", alone),
        mock.patch.object(Together, "apply", together),
    ):
        yield


def _spoil(plant: Plant, member: Member, gradient: Tensor, state: Tensor) -> None:
    """Plant what is planted before the update."""
    if plant.kind == "gradient":
        gradient[plant.place] = math.nan
    elif plant.kind == "state":
        state[plant.place] = math.nan
    elif plant.kind == "data":
        inputs = member.problem.train.inputs
        inputs[:, plant.place % inputs.shape[1]] = math.nan


def run(count: int, seed: int, folder: Path) -> Score:
    """Plant `count` times in each way of training a cohort; let as many quarters diverge alone."""
    rng = random.Random(seed)
    score = Score("numbers")
    exact = [0, 0]
    for number in range(count):
        plant = chosen(KINDS[number % len(KINDS)], rng)
        for mapped in ("loop", "batch"):
            score.tried += 1
            problem, equal = trial(plant, mapped)
            if problem:
                score.failures.append(f"{mapped}, {plant}: {problem}")
            if mapped == "batch":
                exact[0] += equal
                exact[1] += SIZE - 1
        score.tried += 1
        problem = stored(plant, folder / f"stored-{number}")
        score.failures += [f"stored, {plant}: {problem}"] if problem else []
    for number in range(-(-count // len(KINDS))):
        score.tried += 2
        alone, cohort = wild(folder / f"wild-{number}"), wild_cohort(folder / f"cohort-{number}")
        score.failures += [f"lr=1e30: {problem}" for problem in (alone, cohort) if problem]
    score.tried += 1
    problem = command(folder / "command")
    score.failures += [f"lr=1e30 by the command: {problem}"] if problem else []
    score.notes.append("looped neighbors are compared bit by bit with a cohort without the member")
    score.notes.append(
        f"batched neighbors are compared with the same batch without the NaN: {exact[0]} of "
        f"{exact[1]} to the bit, the others within {TOLERANCE:g}"
    )
    for name, (patch, caught) in MUTANTS.items():
        with patch():
            score.caught[name] = bool(caught(folder / name.replace(" ", "-")))
    return score


def chosen(kind: str, rng: random.Random) -> Plant:
    """Return a place and a time for a NaN."""
    size = Member(0, configs(kind)[0]).params.numel()
    return Plant(kind, rng.randrange(SIZE), rng.randrange(2, STEPS - 4), rng.randrange(size))


def trial(plant: Plant, mapped: Literal["loop", "batch"]) -> tuple[str, int]:
    """Return what did not hold, and how many of the seven others were equal to the bit."""
    cohort = configs(plant.kind)
    with planted(plant):
        found = traced(cohort, mapped)
    problem = misreported(plant, found)
    others = [i for i in range(SIZE) if i != plant.member]
    if mapped == "batch":
        whole = traced(cohort, mapped)
        expected = [whole[i] for i in others]
    else:
        expected = traced([cohort[i] for i in others], mapped)
    equal = 0
    for i, trace in zip(others, expected, strict=True):
        same, close = compared(found[i], trace)
        equal += same
        if not same and (mapped == "loop" or not close):
            problem = problem or f"member {i} is not what it is without member {plant.member}"
    return problem, equal


def misreported(plant: Plant, found: Sequence[Trace]) -> str:
    """Return what is wrong with who was reported to have diverged, when and where."""
    for number, trace in enumerate(found):
        if len(trace.ends) != 1:
            return f"member {number} ended {len(trace.ends)} times"
        end = trace.ends[0]
        if number != plant.member:
            if end.outcome == "diverged":
                return f"member {number} is reported in place of {plant.member}"
            continue
        if end.outcome != "diverged":
            return f"is not reported, but {end.outcome} at step {end.step}"
        if end.step != plant.step + 1:
            return f"is reported at step {end.step}"
        if not all(torch.isfinite(state[1]).all() for state in trace.states):
            return "weights that are not finite were saved"
        return misnamed(plant, end.diagnosis)
    return ""


def misnamed(plant: Plant, diagnosis: Any) -> str:
    """Return what is wrong with the place and step a diagnosis names."""
    if diagnosis["step"] != plant.step + 1:
        return f"the diagnosis is of step {diagnosis['step']}"
    first = diagnosis["first_bad"]
    if plant.kind == "data":
        expected = first.startswith(("gradient", "the logits or the loss"))
    else:
        expected = first == f"parameter {entry(plant)}"
    return "" if expected else f"the diagnosis names {first}"


def entry(plant: Plant) -> str:
    """Return the name of the tensor in which the place of a plant lies."""
    layout = Member(0, configs(plant.kind)[0]).problem.layout
    left = plant.place
    for part in layout.entries:
        if left < part.size:
            return part.name
        left -= part.size
    raise IndexError(plant.place)


def compared(left: Trace, right: Trace) -> tuple[bool, bool]:
    """Return whether two traces are equal to the bit, and whether they are close."""
    if [row[0] for row in left.rows] != [row[0] for row in right.rows]:
        return False, False
    if [state[0] for state in left.states] != [state[0] for state in right.states]:
        return False, False
    tensors = [
        (x, y)
        for (_, a, moments), (_, b, others) in zip(left.states, right.states, strict=True)
        for x, y in [(a, b), *((moments[name], others[name]) for name in moments)]
    ]
    same = left.rows == right.rows and all(torch.equal(x, y) for x, y in tensors)
    near = all(
        torch.linalg.vector_norm(x - y) <= TOLERANCE * torch.linalg.vector_norm(x) + 1e-15
        for x, y in tensors
    )
    values = [
        math.isclose(value, other[name], rel_tol=TOLERANCE, abs_tol=1e-12)
        for (_, one), (_, other) in zip(left.rows, right.rows, strict=True)
        for name, value in one.items()
    ]
    return same, near and all(values)


def stored(plant: Plant, folder: Path) -> str:
    """Return what is wrong with the directory of a run in which a NaN was planted."""
    config = configs(plant.kind)[plant.member]
    plant = dataclasses.replace(plant, member=0)
    if plant.kind == "data":
        config = dataclasses.replace(config, task=configs("weights")[0].task)
        plant = dataclasses.replace(plant, kind="gradient")
    try:
        with planted(plant):
            grokscope.train(config, out=folder, name="run")
    except DivergedError as error:
        return misnoted(folder / "run", error, plant.step + 1)
    return "no error"


def misnoted(path: Path, error: DivergedError, step: int) -> str:
    """Return what is wrong with what a diverged run leaves behind."""
    words = str(error)
    if error.exit_code != 4 or len(words.splitlines()) != 1 or "diagnosis.json" not in words:
        return f"the error is of code {error.exit_code}: {words}"
    if not (path / "diagnosis.json").exists():
        return "there is no diagnosis.json"
    told = json.loads((path / "diagnosis.json").read_bytes())
    if not set(told) >= NEEDED:
        return f"the diagnosis lacks {sorted(NEEDED - set(told))}"
    rows = told["last_rows"]
    if told["step"] != step or not rows or rows[-1]["step"] >= step or not told["try"]:
        return f"the diagnosis is of step {told['step']}, its last row of {rows[-1:]}"
    found = grokscope.open(path)
    if found.outcome != "diverged" or found.verify():
        return f"the run is {found.outcome}: {found.verify()}"
    saved = [checkpoint.read(path, step) for step in found.steps]
    if not all(torch.isfinite(x).all() for one in saved for x in one.params.values()):
        return "weights that are not finite were saved"
    return ""


def wild(folder: Path) -> str:
    """Return what is wrong after a rate of 1e30 alone."""
    config = configs("weights")[0]
    fast = dataclasses.replace(config.optimizer, lr=1e30)
    try:
        grokscope.train(
            dataclasses.replace(config, optimizer=fast, precision=_single(config)),
            out=folder,
            name="run",
        )
    except DivergedError as error:
        told = json.loads((folder / "run" / "diagnosis.json").read_bytes())
        if told["lr"] != 1e30:
            return f"the diagnosis says a rate of {told['lr']}"
        return misnoted(folder / "run", error, told["step"])
    return "no error"


def _single(config: RunConfig) -> Any:
    """Return the precision of 32-bit parameters, in which 1e30 is soon too much."""
    return dataclasses.replace(config.precision, parameters="float32")


def wild_cohort(folder: Path) -> str:
    """Return what is wrong when one of eight stored members trains at a rate of 1e30."""
    cohort = [dataclasses.replace(c, precision=_single(c)) for c in configs("weights")]
    fast = dataclasses.replace(cohort[3].optimizer, lr=1e30)
    cohort[3] = dataclasses.replace(cohort[3], optimizer=fast)
    names = [f"m{number}" for number in range(SIZE)]
    reasons = launch.train_cohort(cohort, out=folder, names=names)
    if [bool(reason) for reason in reasons] != [number == 3 for number in range(SIZE)]:
        return f"the reasons are {reasons}"
    runs = [grokscope.open(folder / name) for name in names]
    unsound = [f"{run.name}: {line}" for run in runs for line in run.verify()]
    if unsound:
        return unsound[0]
    ends = [run.outcome == "diverged" for run in runs]
    diagnoses = [(run.path / "diagnosis.json").exists() for run in runs]
    expected = [number == 3 for number in range(SIZE)]
    return "" if ends == diagnoses == expected else f"diverged: {ends}, diagnoses: {diagnoses}"


def command(folder: Path) -> str:
    """Return what is wrong when the command trains at a rate of 1e30."""
    folder.mkdir(parents=True)
    settings = ["task.p=7", "model.width=8", "threads=1", "optimizer.lr=1e30"]
    done = subprocess.run(
        [sys.executable, "-m", "grokscope", "train", "quick", *settings, "--no-report"],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    last = done.stderr.strip().splitlines()[-1]
    sound = done.returncode == 4 and last.startswith("grokscope: ") and "diagnosis.json" in last
    return "" if sound else f"exit code {done.returncode}: {done.stderr[-300:]}"


def leaking() -> AbstractContextManager[object]:
    """Break: a NaN of one member reaches the gradients of all."""
    compute = Together.compute

    def leak(self: Together) -> Tensor:
        values = compute(self)
        self._gradients += 0 * self._gradients.sum()
        return values

    return mock.patch.object(Together, "compute", leak)


def nearly() -> AbstractContextManager[object]:
    """Break: members share one mean of their gradients, a little."""
    compute = Together.compute

    def mix(self: Together) -> Tensor:
        values = compute(self)
        self._gradients += 1e-3 * self._gradients.nan_to_num().mean(0)
        return values

    return mock.patch.object(Together, "compute", mix)


def blind() -> AbstractContextManager[object]:
    """Break: take everything for finite."""
    return mock.patch.object(loop_module, "math", types.SimpleNamespace(isfinite=lambda x: True))


def blaming() -> AbstractContextManager[object]:
    """Break: report the neighbor."""
    end = loop_module._end

    def blame(member: Member, *arguments: Any, **options: Any) -> Iterator[Any]:
        for record in end(member, *arguments, **options):
            wrong = isinstance(record, Finished) and record.outcome == "diverged"
            other = (member.number + 1) % SIZE
            yield dataclasses.replace(record, member=other) if wrong else record

    return mock.patch.object(loop_module, "_end", blame)


def silent() -> AbstractContextManager[object]:
    """Break: write no diagnosis."""
    return mock.patch.object(Writer, "diagnosed", return_value=None)


FIXED = Plant("weights", 2, 7, 50)
MUTANTS: dict[str, tuple[Callable[[], AbstractContextManager[object]], Callable[[Path], object]]]
MUTANTS = {
    "leaks to all": (leaking, lambda folder: trial(FIXED, "batch")[0]),
    "mixes members": (nearly, lambda folder: trial(FIXED, "batch")[0]),
    "takes NaN for a number": (blind, lambda folder: trial(FIXED, "loop")[0]),
    "blames the neighbor": (blaming, lambda folder: trial(FIXED, "batch")[0]),
    "writes no diagnosis": (silent, lambda folder: stored(FIXED, folder)),
}

GROUP = Group("numbers", run, quick=4, long=24)
