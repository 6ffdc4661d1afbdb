"""Checkpoints: safetensors and JSON with a manifest of hashes."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from grokscope.errors import NoValidStateError
from grokscope.ops.params import Layout
from grokscope.store import reading
from grokscope.store.durable import damage, make_directory, set_aside, to_json, write_directory
from grokscope.typing import Named

FILES = ("model.safetensors", "optimizer.safetensors", "state.json")
KINDS = {"step": int, "rows": int, "milestones": dict, "measured": bool, "seconds": (int, float)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """One saved state: parameters and optimizer state on the CPU, and facts about them.

    params: the named tensors of the model; optimizer: named flat vectors; facts: step,
    milestones, history rows, seconds.
    """

    step: int
    params: Named
    optimizer: Named
    facts: dict[str, Any]

    def flat(self, layout: Layout) -> Tensor:
        """Return the parameters as one vector. Raises NoValidStateError where names differ."""
        expected = {entry.name: entry.shape for entry in layout.entries}
        found = {name: tuple(x.shape) for name, x in self.params.items()}
        if expected != found:
            odd = sorted(set(expected.items()) ^ set(found.items()))
            raise NoValidStateError(f"the checkpoint is of another network: {odd[0][0]} differs")
        return layout.join(self.params)


def directory(run: Path, step: int) -> Path:
    """Return the directory of the checkpoint of one step."""
    return run / "checkpoints" / f"step_{step:09d}"


def steps(run: Path) -> list[int]:
    """Return the steps of the checkpoints a run has, valid or not, ascending."""
    found = (run / "checkpoints").glob("step_*")
    return sorted(int(path.name[5:]) for path in found if path.name[5:].isdigit())


def write(run: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint durably; one that is there already and valid is left alone."""
    path = directory(run, checkpoint.step)
    if path.exists() and not damage(path):
        return
    if path.exists():
        set_aside(path)
    files = {
        "model.safetensors": save(_storable(checkpoint.params)),
        "optimizer.safetensors": save(_storable(checkpoint.optimizer)),
        "state.json": to_json({"version": 1, "step": checkpoint.step, **checkpoint.facts}),
    }
    make_directory(path.parent)
    write_directory(path, files)


def read(run: Path, step: int) -> Checkpoint:
    """Return the checkpoint of one step. Raises NoValidStateError if missing or damaged."""
    path, known = directory(run, step), facts(run, step)
    try:
        return Checkpoint(
            step=step,
            params=load(reading.content(path / "model.safetensors")),
            optimizer=load(reading.content(path / "optimizer.safetensors")),
            facts=known,
        )
    except (SafetensorError, ValueError, KeyError, TypeError, MemoryError) as error:
        raise NoValidStateError(f"{path}: {error}") from None


def facts(run: Path, step: int) -> dict[str, Any]:
    """Return the facts of the checkpoint of one step. Raises as `read`, of which it is a part."""
    path = directory(run, step)
    wrong = damage(path, FILES)
    if wrong:
        raise NoValidStateError(wrong)
    found = reading.mapping(path / "state.json", KINDS)
    if found.get("step") != step:
        raise NoValidStateError(f"{path}: holds the state of step {found.get('step')}")
    if found.get("rows", -1) < 0:
        raise NoValidStateError(f"{path}: counts no rows of history")
    return found


def newest(
    run: Path, reason: Callable[[Mapping[str, Any]], str] = lambda facts: ""
) -> tuple[Checkpoint | None, list[str]]:
    """Return the newest valid checkpoint, or None, and what was wrong with newer ones.

    reason: says of a checkpoint's facts why it is to be passed over, or nothing.
    """
    problems: list[str] = []
    for step in reversed(steps(run)):
        try:
            found = read(run, step)
        except NoValidStateError as error:
            problems.append(str(error))
            continue
        wrong = reason(found.facts)
        if not wrong:
            return found, problems
        problems.append(f"{directory(run, step)}: {wrong}")
    return None, problems


def _storable(tensors: Named) -> dict[str, Tensor]:
    return {name: x.detach().to("cpu", copy=True).contiguous() for name, x in tensors.items()}
