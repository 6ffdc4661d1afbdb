"""Several runs at once, as a plan says: in processes on a CPU, in batches on another device."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

import torch

from grokscope.config import RunConfig, decode, encode
from grokscope.engine import Job, Plan, plan
from grokscope.errors import GrokscopeError
from grokscope.launch import Stop, free_name, train, train_cohort
from grokscope.store import Run, open_run

POLL = 0.2
"""Seconds between two looks at whether to stop."""

Ended = Callable[[Run, str], None]


def train_all(
    configs: Sequence[RunConfig],
    *,
    out: str | Path = "runs",
    planned: Plan | None = None,
    ended: Ended = lambda run, error: None,
    stop_requested: Stop = lambda: False,
) -> list[Run]:
    """Train several runs and return them in order, each stored below `out` under its own name.

    planned: how, by default what `plan` returns for this machine. ended: told of each run as it
    ends, with what went wrong or an empty text; a run that fails leaves the others alone. When
    stop_requested answers True, runs under way end with a checkpoint and no other begins.

    >>> import tempfile
    >>> from grokscope.config import load
    >>> seeds = [load("quick", [f"seed={seed}", "steps=20"]) for seed in (0, 1)]
    >>> [run.name for run in train_all(seeds, out=tempfile.mkdtemp())]
    ['quick', 'quick-2']
    """
    planned = planned or plan(configs)
    names = _names(Path(out), configs)
    if planned.device != "cpu":
        for job in planned.jobs:
            chosen = [configs[number] for number in job.runs]
            places = [names[number] for number in job.runs]
            errors = train_cohort(chosen, out=out, names=places, stop_requested=stop_requested)
            for place, error in zip(places, errors, strict=True):
                ended(open_run(Path(out) / place), error)
            if stop_requested():
                break
    else:
        _in_processes(configs, names, planned, str(out), ended, stop_requested)
    paths = [Path(out) / name for name in names]
    return [open_run(path) for path in paths if (path / "config.yaml").is_file()]


def _names(out: Path, configs: Sequence[RunConfig]) -> list[str]:
    names: list[str] = []
    for config in configs:
        names.append(free_name(out, config, names))
    return names


def _in_processes(
    configs: Sequence[RunConfig],
    names: Sequence[str],
    planned: Plan,
    out: str,
    ended: Ended,
    stop_requested: Stop,
) -> None:
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    waiting = list(planned.jobs)
    under_way: dict[Future[str], Job] = {}
    with ProcessPoolExecutor(planned.workers, context, _prepare, (stop, os.getpid())) as pool:
        while waiting or under_way:
            while waiting and len(under_way) < planned.workers and not stop.is_set():
                job = waiting.pop(0)
                (number,) = job.runs
                tree = encode(configs[number])
                under_way[pool.submit(_train, tree, out, names[number], job.lanes)] = job
            done, _ = wait(under_way, timeout=POLL, return_when=FIRST_COMPLETED)
            for future in done:
                (number,) = under_way.pop(future).runs
                path = Path(out) / names[number]
                error = _error(future)
                if (path / "config.yaml").is_file():
                    ended(open_run(path), error)
            if stop_requested():
                stop.set()
                waiting.clear()


def _error(future: Future[str]) -> str:
    error = future.exception()
    return future.result() if error is None else f"{type(error).__name__}: {error}"


_stop: Any = None
_parent = 0


def _prepare(stop: Any, parent: int) -> None:
    """Make a process a worker: it stops when its parent says so, or is gone."""
    global _stop, _parent
    _stop, _parent = stop, parent
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent is told, and decides


def _train(tree: Mapping[str, Any], out: str, name: str, lanes: int) -> str:
    """Train one run in a worker; return what went wrong, or an empty text."""
    torch.set_num_threads(lanes)
    try:
        train(
            decode(dict(tree)),
            out=out,
            name=name,
            stop_requested=lambda: _stop.is_set() or os.getppid() != _parent,
        )
    except GrokscopeError as error:
        return str(error)
    return ""
