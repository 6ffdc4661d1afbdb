"""The training loop: configurations in, records out."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Literal

import torch

from grokscope.config import RunConfig, encode
from grokscope.engine.diagnosis import diagnose
from grokscope.engine.member import Member
from grokscope.engine.memory import keep_freed_memory
from grokscope.engine.records import Finished, Measured, Record, Saved, State
from grokscope.engine.steppers import Alone, Each, Stepper, Together, per_run_values
from grokscope.errors import ConfigError
from grokscope.ops.lanes import lanes
from grokscope.ops.rounding import Rounded

Mapped = Literal["auto", "loop", "batch"]


def train(
    configs: Sequence[RunConfig],
    *,
    states: Mapping[int, State] | None = None,
    mapped: Mapped = "auto",
    stop_requested: Callable[[], bool] = lambda: False,
) -> Iterator[Record]:
    """Train a cohort: runs whose configurations differ only in PER_RUN fields.

    states: where members that go on stand, by number. mapped: `loop` trains the members one after
    another, each exactly as if alone; `batch` advances all in one vmapped step; `auto` loops on a
    CPU and batches elsewhere; members that stand at different steps are looped.
    stop_requested is asked at every step boundary.
    Yields each member's measurements and states in order, and one Finished for each.
    Raises ConfigError where the configurations cannot form a cohort.
    """
    check_cohort(configs)
    keep_freed_memory()
    first = configs[0]
    states = states or {}
    with _numerics(first):
        begun = {states[i].step if i in states else 0 for i in range(len(configs))}
        batched = mapped == "batch" or (mapped == "auto" and first.device != "cpu")
        if batched and len(begun) == 1:
            members = [Member(i, config, states.get(i)) for i, config in enumerate(configs)]
            yield from _advance(members, stop_requested)
            return
        for number, config in enumerate(configs):
            yield from _advance([Member(number, config, states.get(number))], stop_requested)


def check_cohort(configs: Sequence[RunConfig]) -> None:
    """Raise ConfigError naming the first field that keeps these runs out of one cohort."""
    if not configs:
        raise ConfigError("a cohort needs at least one configuration")
    shapes = [_shared_fields(config) for config in configs]
    for number, shape in enumerate(shapes):
        for path in {**shapes[0], **shape}:
            here, there = shape.get(path, "nothing"), shapes[0].get(path, "nothing")
            if here != there:
                raise ConfigError(
                    f"{path}: {here!r} in run {number} of the cohort, {there!r} in run 0; "
                    "only PER_RUN fields (seed, rates, weights, scales) may differ"
                )


def cohort_key(config: RunConfig) -> object:
    """Return what must be equal between the runs of a cohort, as a hashable value."""
    return tuple(sorted((path, repr(value)) for path, value in _shared_fields(config).items()))


def _shared_fields(config: RunConfig) -> dict[str, object]:
    tree = encode(config)
    for label in ("name", "notes", "tags"):
        del tree[label]
    per_run = per_run_values(config)
    return {path: value for path, value in _flat(tree, "") if path not in per_run}


def _flat(tree: object, prefix: str) -> Iterator[tuple[str, object]]:
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)  # type: ignore[arg-type]
    for key, value in pairs:
        if isinstance(value, (dict, list)) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


@contextmanager
def _numerics(config: RunConfig) -> Iterator[None]:
    """Set lanes and the precision of matrix products, and put back what was there."""
    before = torch.get_float32_matmul_precision()
    matmul = config.precision.matmul
    inside: Callable[[], AbstractContextManager[object]] = nullcontext
    if matmul != "float32" and config.device == "cpu":
        inside = partial(Rounded, matmul)
    native = {"float32": "highest", "tf32": "high", "bf16": "medium"}[matmul]
    try:
        torch.set_float32_matmul_precision("highest" if config.device == "cpu" else native)
        with lanes(config.threads or torch.get_num_threads(), inside):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def _stepper(members: Sequence[Member]) -> Stepper:
    if len(members) == 1:
        return Alone(members[0])
    return Together(members) if members[0].problem.mapped else Each(members)


def _advance(members: Sequence[Member], stop_requested: Callable[[], bool]) -> Iterator[Record]:
    """Advance members that stand at one step until each has finished."""
    stepper = _stepper(members)
    clock = time.perf_counter()
    while members:
        values = stepper.compute()
        active: list[Member] = []
        stopping = stop_requested()
        totals = values.tolist()
        elapsed, clock = time.perf_counter() - clock, time.perf_counter()
        for number, member in enumerate(members):
            member.seconds += elapsed
            known = stepper.known(number)
            yield from _observe(member, known, totals[number])
            ended = _ended(member, totals[number])
            if ended or stopping:
                yield from _end(member, known, totals[number], interrupted=not ended)
            else:
                active.append(member)
        if not active:
            return
        stepper.apply()
        for member in active:
            member.step += 1
        if len(active) < len(members):
            stepper = _stepper(active)
        members = active


def _observe(member: Member, known: Mapping[str, torch.Tensor], value: float) -> Iterator[Record]:
    """Measure and save the present step where due; a resumed step was observed already."""
    if not math.isfinite(value):
        return
    if member.measured_at != member.step and member.measure_due():
        yield _measured(member, known)
    if member.saved_at != member.step and member.save_due():
        yield _saved(member)


def _measured(member: Member, known: Mapping[str, torch.Tensor]) -> Measured:
    values, missing = member.measure(known)
    member.milestones = member.milestones.update(
        member.step, values["train_acc"], values["test_acc"]
    )
    member.measured_at = member.step
    return Measured(
        member=member.number,
        step=member.step,
        values=values,
        seconds=member.seconds,
        milestones=member.milestones,
        missing=missing,
    )


def _saved(member: Member) -> Saved:
    member.saved_at = member.step
    return Saved(member=member.number, state=member.state())


def _ended(member: Member, value: float) -> bool:
    if not math.isfinite(value) or member.step >= member.config.steps:
        return True
    return member.config.stop == "grokked" and member.milestones.grokked_at is not None


def _end(
    member: Member, known: Mapping[str, torch.Tensor], value: float, *, interrupted: bool
) -> Iterator[Record]:
    """Save the last state, then measure it even off schedule.

    The state is saved before the extra measurement, so a run that goes on from it has the history
    of one that never ended here.
    """
    diverged = not math.isfinite(value)
    if not diverged:
        if member.saved_at != member.step:
            yield _saved(member)
        if member.measured_at != member.step and not interrupted:
            yield _measured(member, known)
    diagnosis = diagnose(member, known, value) if diverged else {}
    reason = f"the objective is {value} at step {member.step}" if diverged else ""
    yield Finished(
        member=member.number,
        step=member.step,
        outcome="diverged" if diverged else member.milestones.outcome,
        milestones=member.milestones,
        seconds=member.seconds,
        interrupted=interrupted,
        reason=reason,
        diagnosis=diagnosis,
    )
