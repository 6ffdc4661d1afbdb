"""Where the members of a sweep are trained: one module an executor, found by its name."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, cast

from grokscope.config import RunConfig
from grokscope.launch import Stop
from grokscope.workers import Told


class Executor(Protocol):
    """Brings runs to their end below a folder that every worker can reach.

    The unit is one run directory, which any worker may begin or go on with. told hears where each
    run is and how it ends. When stop_requested answers True, no other run begins and those under
    way end with a checkpoint.
    """

    def __call__(
        self,
        configs: Mapping[str, RunConfig],
        folder: Path,
        *,
        workers: int | None,
        told: Told,
        stop_requested: Stop,
        allow_drift: bool,
    ) -> None:
        """Train the runs of `configs`, each in the directory of its name."""


def executor_named(name: str) -> Executor:
    """Return the executor `local`, `ray` or `slurm`. Raises ConfigError where its extra lacks."""
    module = importlib.import_module(f"grokscope.sweeps.executors.{name}")
    return cast(Executor, module.execute)
