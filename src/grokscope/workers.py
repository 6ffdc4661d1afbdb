"""Several runs at once, as a plan says: in processes on a CPU, in batches on another device."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch

from grokscope.config import RunConfig, decode, encode
from grokscope.engine import Measured, Plan, Record, plan
from grokscope.errors import GrokscopeError, LockedError, StorageError
from grokscope.launch import Stop, free_name, run_at, settle, train_cohort
from grokscope.pool import Again, Tell, run_calls
from grokscope.store import Run, open_run

HEARD = 0.25
"""Seconds at least between two reports of one run under way."""
PATIENCE = 20.0
"""Seconds to wait for a lost worker that still writes a run, until it notices and lets go."""


@dataclass(frozen=True)
class News:
    """Where a run is: `running`, `again` after its worker died, or how it ended.

    It ends `finished`, `interrupted`, `diverged` or `failed`; reason: why, or an empty text.
    """

    name: str
    state: str
    step: int = 0
    train_acc: float = float("nan")
    test_acc: float = float("nan")
    reason: str = ""

    @property
    def ended(self) -> bool:
        """Whether no more will be heard of the run."""
        return self.state not in ("running", "again")


Told: TypeAlias = Callable[[News], None]


def train_all(
    configs: Sequence[RunConfig],
    *,
    out: str | Path = "runs",
    names: Sequence[str] | None = None,
    planned: Plan | None = None,
    told: Told = lambda news: None,
    stop_requested: Stop = lambda: False,
    allow_drift: bool = False,
) -> list[Run]:
    """Train several runs and return them in order, each stored below `out` under its own name.

    names: without them each run is new and gets a free name; a given name may be that of a run of
    the same configuration, which is then gone on with, or left alone where it is done.
    planned: how, by default what `plan` returns for this machine. told: hears where each run is and
    how it ends; a run that fails leaves the others alone, and one whose process died is gone on
    with. When stop_requested answers True, runs under way end with a checkpoint and no other
    begins. Raises ConfigError, before anything is trained, where a name is that of a run of another
    configuration.

    >>> import tempfile
    >>> from grokscope.config import load
    >>> seeds = [load("quick", [f"seed={seed}", "steps=20"]) for seed in (0, 1)]
    >>> [run.name for run in train_all(seeds, out=tempfile.mkdtemp())]
    ['quick', 'quick-2']
    """
    planned = planned or plan(configs)
    out = Path(out)
    names = _names(out, configs) if names is None else names
    for name, config in zip(names, configs, strict=True):
        run_at(out / name, config)
    if planned.device != "cpu":
        _in_batches(configs, names, planned, out, told, stop_requested, allow_drift)
    else:
        calls = [
            (encode(configs[number]), str(out / names[number]), job.lanes, allow_drift)
            for job in planned.jobs
            for number in job.runs
        ]
        order = [names[number] for job in planned.jobs for number in job.runs]
        run_calls(
            train_one,
            calls,
            workers=planned.workers,
            heard=lambda number, message: told(news_of(out / order[number], message)),
            stop_requested=stop_requested,
        )
    paths = [out / name for name in names]
    return [open_run(path) for path in paths if (path / "config.yaml").is_file()]


def train_one(
    tree: Mapping[str, Any], path: str, lanes: int, allow_drift: bool, tell: Tell, stop: Stop
) -> str:
    """Bring one run to its end, telling News on the way; return what went wrong, or ''.

    Raises StorageError, after which another attempt is worth while.
    """
    torch.set_num_threads(lanes)
    last = 0.0

    def observer(record: Record) -> None:
        nonlocal last
        if isinstance(record, Measured) and time.monotonic() - last > HEARD:
            last = time.monotonic()
            values = record.values
            accuracies = values["train_acc"], values["test_acc"]
            tell(News(Path(path).name, "running", record.step, *accuracies))

    config, began = decode(dict(tree)), time.monotonic()
    while True:
        try:
            settle(
                config,
                Path(path),
                observer=observer,
                stop_requested=stop,
                allow_drift=allow_drift,
            )
        except StorageError:
            raise
        except LockedError as error:
            if stop() or time.monotonic() - began > PATIENCE:
                return str(error)
            time.sleep(HEARD)
            continue
        except GrokscopeError as error:
            return str(error)
        return ""


def _names(out: Path, configs: Sequence[RunConfig]) -> list[str]:
    names: list[str] = []
    for config in configs:
        names.append(free_name(out, config, names))
    return names


def news_of(path: Path, message: Any) -> News:
    """Return what a message of a worker says about a run."""
    if isinstance(message, News):
        return message
    if isinstance(message, Again):
        return dataclasses.replace(how_it_stands(path), state="again", reason=message.reason)
    return how_it_stands(path, message.reason)


def how_it_stands(path: Path, reason: str = "") -> News:
    """Return what is known of a run that is not under way; reason: what went wrong with it."""
    try:
        status = open_run(path).status
    except GrokscopeError as error:
        return News(path.name, "failed", reason=reason or str(error))
    last = status.get("last") or {}
    diverged = status.get("outcome") == "diverged"
    state = "diverged" if diverged else "failed" if reason else str(status.get("state"))
    return News(
        path.name,
        state,
        status.get("step") or 0,
        last.get("train_acc", float("nan")),
        last.get("test_acc", float("nan")),
        reason,
    )


def _in_batches(
    configs: Sequence[RunConfig],
    names: Sequence[str],
    planned: Plan,
    out: Path,
    told: Told,
    stop_requested: Stop,
    allow_drift: bool,
) -> None:
    for job in planned.jobs:
        fresh = [number for number in job.runs if not (out / names[number]).exists()]
        errors = dict.fromkeys(job.runs, "")
        if fresh:
            found = train_cohort(
                [configs[number] for number in fresh],
                out=out,
                names=[names[number] for number in fresh],
                stop_requested=stop_requested,
            )
            errors |= dict(zip(fresh, found, strict=True))
        for number in job.runs:
            if number not in fresh:
                errors[number] = _settled(
                    configs[number], out / names[number], stop_requested, allow_drift
                )
            told(how_it_stands(out / names[number], errors[number]))
        if stop_requested():
            break


def _settled(config: RunConfig, path: Path, stop_requested: Stop, allow_drift: bool) -> str:
    try:
        settle(config, path, stop_requested=stop_requested, allow_drift=allow_drift)
    except GrokscopeError as error:
        return str(error)
    return ""
