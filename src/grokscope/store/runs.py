"""Many runs as one table."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl

from grokscope._registry import Registry
from grokscope.config import encode
from grokscope.errors import ConfigError, GrokscopeError
from grokscope.store.run import Run

OWN = ("checkpoints", "history", "clock", "results", "figures")
"""Folders of a run in which there is no other run."""


@dataclass(frozen=True)
class Runs:
    """Runs in a folder, and why others there could not be opened."""

    runs: tuple[Run, ...]
    problems: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    def __getitem__(self, key: int | str) -> Run:
        if isinstance(key, int):
            return self.runs[key]
        named = [run for run in self.runs if run.name == key]
        if len(named) != 1:
            raise ConfigError(f"{len(named)} runs here are named {key!r}")
        return named[0]

    def table(self) -> pl.DataFrame:
        """Return one row a run: summary, then every configuration field by its dotted path.

        A polars frame; `.to_pandas()` is the door to pandas.
        """
        rows = [run.summary() | _flat(encode(run.config)) for run in self.runs]
        return pl.DataFrame(rows, infer_schema_length=None, strict=False)

    def histories(self) -> pl.DataFrame:
        """Return all histories below one another with the column `run`."""
        frames = [run.history.with_columns(pl.lit(run.name).alias("run")) for run in self.runs]
        return pl.concat(frames, how="diagonal") if frames else pl.DataFrame()


Compare: TypeAlias = Callable[..., pl.DataFrame]

COMPARISONS: Registry[Compare] = Registry("comparison", "grokscope.analyses")


def comparison(function: Compare) -> Compare:
    """Register a function `(runs, *, options) -> frame` of many runs under its own name."""
    COMPARISONS.add(function.__name__, function)
    return function


def open_all(folder: str | Path) -> Runs:
    """Return all runs below a folder, at any depth; a damaged one hides no other.

    What lies in a hidden folder is no run, or not yet. Raises ConfigError where there is no folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such directory")
    runs, problems = [], []
    for path in sorted(run_directories(folder)):
        run = Run(path)
        try:
            _ = run.config, run.status
            runs.append(run)
        except GrokscopeError as error:
            problems.append(str(error).splitlines()[0])
    return Runs(tuple(runs), tuple(problems))


def run_directories(folder: Path) -> Iterator[Path]:
    """Yield the run directories below a folder; what a run keeps in its own is not looked at.

    One that has lost its configuration is known by its status, so that it is not passed over.
    """
    for place, below, files in os.walk(folder):
        found = not {"config.yaml", "status.json"}.isdisjoint([*files, *below])
        below[:] = [n for n in below if not n.startswith(".") and not (found and n in OWN)]
        if found:
            yield Path(place)


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    row: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            row |= _flat(value, f"{prefix}{key}.")
        else:
            row[f"{prefix}{key}"] = json.dumps(value) if isinstance(value, list) else value
    return row
