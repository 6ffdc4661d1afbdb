"""grokscope: the instrument for research on grokking.

`train(config)` trains a run and stores it, `train_all(configs)` trains several at once;
`open(path)` opens a run, `open_all(folder)` opens many. Names load when they are first used, so
that the command answers before PyTorch is in memory.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grokscope.config import RunConfig as RunConfig
    from grokscope.config import load as load
    from grokscope.engine import plan as plan
    from grokscope.launch import resume as resume
    from grokscope.launch import train as train
    from grokscope.snapshot import Snapshot as Snapshot
    from grokscope.store import Run as Run
    from grokscope.store import Runs as Runs
    from grokscope.store import open_all as open_all
    from grokscope.store import open_run as open  # noqa: A004
    from grokscope.sweeps import load_sweep as load_sweep
    from grokscope.sweeps import run_sweep as run_sweep
    from grokscope.workers import train_all as train_all

__version__ = "0.1.0"

_HOMES = {
    "RunConfig": ("grokscope.config", "RunConfig"),
    "load": ("grokscope.config", "load"),
    "resume": ("grokscope.launch", "resume"),
    "train": ("grokscope.launch", "train"),
    "Snapshot": ("grokscope.snapshot", "Snapshot"),
    "Run": ("grokscope.store", "Run"),
    "Runs": ("grokscope.store", "Runs"),
    "open_all": ("grokscope.store", "open_all"),
    "open": ("grokscope.store", "open_run"),
    "plan": ("grokscope.engine", "plan"),
    "train_all": ("grokscope.workers", "train_all"),
    "load_sweep": ("grokscope.sweeps", "load_sweep"),
    "run_sweep": ("grokscope.sweeps", "run_sweep"),
}

__all__ = [
    "Run",
    "RunConfig",
    "Runs",
    "Snapshot",
    "load",
    "load_sweep",
    "open",
    "open_all",
    "plan",
    "resume",
    "run_sweep",
    "train",
    "train_all",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'grokscope' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
