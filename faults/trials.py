"""What the groups about processes share: reference runs, a place for a trial, a comparison."""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from server import Call, Child, Server, call

import grokscope
from grokscope.cli import main
from grokscope.config import load
from grokscope.engine import train
from grokscope.errors import GrokscopeError
from grokscope.metrics import METRICS
from grokscope.store import checkpoint, history, open_run
from grokscope.store.writer import Writer

T = TypeVar("T")

OFTEN = (
    "stop=never",
    "threads=1",
    "measure.every=10",
    "measure.dense_every=5",
    "measure.dense_until=10",
    "checkpoint.every=20",
    "checkpoint.transition_every=10",
)


@dataclass(frozen=True)
class Recipe:
    """A run that takes a fraction of a second: a recipe and what is changed in it."""

    name: str
    recipe: str
    changes: tuple[str, ...]

    @property
    def overrides(self) -> list[str]:
        """All changes: often measured and saved."""
        return [*OFTEN, *self.changes]


_MLP = ("model.width=64", "optimizer.lr=3e-2", "checkpoint.early=[0, 3]", "steps=80")
RECIPES = (
    Recipe("mlp", "mlp-17", ("task.p=23", *_MLP)),
    Recipe(
        "transformer",
        "transformer-17",
        (
            "model.d_model=32",
            "model.d_mlp=64",
            "optimizer.lr=1e-2",
            "optimizer.clip_norm=0.5",
            "schedule.warmup_steps=20",
            "checkpoint.early=[0, 3]",
            "steps=80",
        ),
    ),
    Recipe("batches", "mlp-17", (*_MLP, "batch.size=64")),
    Recipe("replacement", "mlp-17", (*_MLP, "batch={size: 64, replacement: true}")),
    Recipe("measured", "mlp-17", (*_MLP, f"measure.metrics={json.dumps(sorted(METRICS))}")),
)
TINY = Recipe(
    "tiny",
    "quick",
    (
        "task.p=5",
        "model.width=6",
        "data.train_fraction=0.5",
        "batch.size=4",
        "checkpoint.early=[0]",
        "steps=30",
    ),
)


@dataclass(frozen=True)
class Reference:
    """A run that nothing disturbed, and how many seconds its process took."""

    recipe: Recipe
    path: Path
    seconds: float


class Place:
    """Where one trial takes place: `disk/run`, with what its processes say and announce beside it.

    more: what `resume` is asked to change. kept: how the run stands before the trial, if it does.
    command: go through the command line instead of the Python functions.
    """

    def __init__(
        self,
        server: Server,
        folder: Path,
        reference: Reference,
        *,
        kept: Path | None = None,
        more: Sequence[str] = (),
        command: bool = False,
    ) -> None:
        self.folder, self.disk, self.path = folder, folder / "disk", folder / "disk" / "run"
        self._server, self._reference, self._more = server, reference, list(more)
        self._command = command
        self._announced = folder / "announced"
        self._log = folder / "log"
        folder.mkdir(parents=True)
        if kept is not None:
            shutil.copytree(kept, self.path)

    def calls(self, *before: Call) -> list[Call]:
        """Return what a process is to do: some calls, then begin or go on with the run."""
        recipe = self._reference.recipe
        last = call(
            advance,
            path=str(self.path),
            recipe=recipe.recipe,
            overrides=recipe.overrides,
            more=self._more,
            command=self._command,
        )
        return [call(announce, path=str(self._announced)), *before, last]

    def start(self, *before: Call) -> Child:
        """Start a process that does this."""
        return self._server.start(self._log, self.calls(*before))

    def once(self, *before: Call) -> int:
        """Do the same and return the exit code."""
        return self.start(*before).wait()

    @property
    def said(self) -> str:
        """The last line of the last process."""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:400] if lines else "nothing said"

    @property
    def all_said(self) -> str:
        """All that the last process said."""
        return self._log.read_text(errors="replace")

    def lost(self) -> str:
        """Return which checkpoint that was said to be saved is missing or damaged, or nothing."""
        lost = []
        for step in announced(self._announced):
            try:
                checkpoint.read(self.path, step)
            except GrokscopeError as error:
                lost.append(f"lost the checkpoint of step {step}: {error}")
        return "; ".join(lost[:2])

    def finish(self, *before: Call) -> str:
        """Go on undisturbed to the end and return what is wrong then, or nothing."""
        if self.once(*before):
            return f"could not go on: {self.said}"
        return told(differences(self.path, self._reference.path))

    def clear(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.folder)

    @property
    def step(self) -> int:
        """The step of the newest checkpoint, 0 where there is none."""
        return max(checkpoint.steps(self.path), default=0)


def warm_up() -> None:
    """Compile every loop the recipes use and load what a run loads late; in the fork server."""
    import pandas  # noqa: F401  (pyarrow looks for it)

    from grokscope.analyses.grokking_time import flops_per_step
    from grokscope.store.provenance import provenance

    for recipe in (*RECIPES, TINY):
        config = load(recipe.recipe, [*recipe.overrides, "steps=2"], environment={})
        for _ in train([config]):
            pass
        flops_per_step(config)
        provenance(config, "")


def advance(
    path: str, recipe: str, overrides: Sequence[str], more: Sequence[str], command: bool
) -> None:
    """Go on with a run, or start it where there is none yet."""
    run = Path(path)
    begun = (run / "config.yaml").exists()
    if command:
        begin = ["train", recipe, *overrides, "--out", str(run.parent), "--name", run.name]
        go_on = ["resume", path, *more]
        sys.argv = ["grokscope", *(go_on if begun else begin), "--no-report"]
        main()
    elif begun:
        grokscope.resume(run, more)
    else:
        grokscope.train(recipe, overrides, out=run.parent, name=run.name)


def refer(server: Server, folder: Path, recipe: Recipe) -> Reference:
    """Make a run that nothing disturbs. The second of two gives the time."""
    for number in range(2):
        reference = Reference(recipe, Path(), 0.0)
        place = Place(server, folder / f"reference-{recipe.name}-{number}", reference)
        start = time.perf_counter()
        if place.once():
            raise RuntimeError(f"the reference run {recipe.name} failed: {place.said}")
        seconds = time.perf_counter() - start
    return Reference(recipe, place.path, seconds)


def differences(path: Path, reference: Path) -> list[str]:
    """Return one line for each way in which a run does not equal its reference.

    Clock columns and seconds do not count. Empty means identical.
    """
    try:
        run, whole = open_run(path), open_run(reference)
        found = [f"verify: {line}" for line in run.verify()]
        found += _different_facts(run.status, whole.status)
        if "drift" in run.provenance:
            found.append("provenance: records a drift")
        lost = sorted(set(whole.steps) - set(run.steps))
        last = run.steps[-1:]  # a run that was lost early has none
        if lost or last != whole.steps[-1:]:
            found.append(f"checkpoints: {lost} are missing, the last is {last}")
        for step in sorted(set(run.steps) & set(whole.steps)):
            found += _different_states(path, reference, step)
        return found + _different_histories(path, reference)
    except (GrokscopeError, OSError) as error:
        return [f"{type(error).__name__}: {error}"]


def told(lines: Sequence[str]) -> str:
    """Return the first of some lines as one, none of them long."""
    return "; ".join(line[:200] for line in lines[:3])


_STATUS = ("state", "step", "outcome", "memorized_at", "grokked_at", "reason", "last", "missing")


def _different_facts(left: dict[str, Any], right: dict[str, Any]) -> list[str]:
    return [
        f"status: {key} is {left.get(key)!r}, not {right.get(key)!r}"
        for key in _STATUS
        if left.get(key) != right.get(key)
    ]


def _different_states(path: Path, reference: Path, step: int) -> list[str]:
    left, right = checkpoint.read(path, step), checkpoint.read(reference, step)
    found = []
    for kind in ("params", "optimizer"):
        ours, theirs = getattr(left, kind), getattr(right, kind)
        names = sorted(ours.keys() | theirs.keys())
        odd = [name for name in names if not _same(ours.get(name), theirs.get(name))]
        found += [f"step {step}: {kind} {name} differs" for name in odd]
    for fact in ("milestones", "measured", "rows"):
        if left.facts[fact] != right.facts[fact]:
            found.append(f"step {step}: {fact} is {left.facts[fact]}, not {right.facts[fact]}")
    return found


def _same(left: torch.Tensor | None, right: torch.Tensor | None) -> bool:
    if left is None or right is None or left.dtype != right.dtype:
        return False
    return torch.equal(left, right)


def _different_histories(path: Path, reference: Path) -> list[str]:
    left, right = history.read(path, "history"), history.read(reference, "history")
    if left.schema != right.schema:
        return [f"history: the columns are {left.schema}, not {right.schema}"]
    if not left.equals(right, null_equal=True):
        return [f"history: {len(left)} rows differ from {len(right)}"]
    files = [run / "history.parquet" for run in (path, reference)]
    if files[0].read_bytes() != files[1].read_bytes():
        return ["history: the rows are equal, the bytes are not"]
    steps = history.read(path, "clock", gaps=True)["step"].to_list()
    return [] if steps == sorted(set(steps)) else ["clock: the steps are not ascending"]


def litter(path: Path) -> list[str]:
    """Return temporary files below a folder, and what was set aside as damaged."""
    odd = [p for p in path.rglob("*") if p.name.endswith(".tmp") or p.name.startswith("damaged_")]
    return [str(p.relative_to(path)) for p in odd]


def contents(path: Path) -> dict[str, tuple[int, bytes]]:
    """Return every file below a folder with its time of change and bytes, but for the lock."""
    files = [p for p in sorted(path.rglob("*")) if p.is_file() and p.name != ".lock"]
    return {str(p.relative_to(path)): (p.stat().st_mtime_ns, p.read_bytes()) for p in files}


def spaced(items: Sequence[T], count: int) -> list[T]:
    """Return at most `count` items, evenly spaced, the first and the last among them."""
    if count >= len(items):
        return list(items)
    if count == 1:
        return [items[0]]
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def announce(path: str) -> None:
    """Make this process note the step of each checkpoint when it has saved it."""
    original = Writer.saved

    def saved(self: Writer, state: checkpoint.Checkpoint) -> None:
        original(self, state)
        with open(path, "a") as file:
            file.write(json.dumps(state.step) + "\n")

    Writer.saved = saved  # type: ignore[method-assign]


def observe(path: str, pause: float = 0.0) -> None:
    """Make this process note its number at each row it measures, and rest."""
    original = Writer.measured

    def measured(self: Writer, *args: Any) -> None:
        original(self, *args)
        with open(path, "a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(pause)

    Writer.measured = measured  # type: ignore[method-assign]


def observed(path: Path) -> list[int]:
    """Return the numbers of the processes that measured, a row each."""
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def announced(path: Path) -> list[int]:
    """Return the steps that were noted."""
    return [json.loads(line) for line in path.read_text().split()] if path.exists() else []


def caught(trial: Callable[[int], str], most: int) -> bool:
    """Return whether a broken build fails one of a few trials, told apart by their number."""
    return any(trial(number) for number in range(most))
