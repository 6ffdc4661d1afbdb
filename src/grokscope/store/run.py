"""A run on the disk, to be read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from grokscope.config import RunConfig, decode, identity, problem_of
from grokscope.config.document import Document
from grokscope.config.options import decode_options
from grokscope.errors import ConfigError, NoValidStateError
from grokscope.snapshot import Snapshot
from grokscope.store import checkpoint, export, history, results
from grokscope.store.durable import damage
from grokscope.store.results import ANALYSES, Result


@dataclass(frozen=True)
class Run:
    """A run directory. Reading it changes nothing; what is read is the state at that moment."""

    path: Path

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.path.name

    @cached_property
    def config(self) -> RunConfig:
        """The resolved configuration."""
        document = Document.read(self.path / "config.yaml")
        return decode(document.mapping(), document=document)

    @property
    def status(self) -> dict[str, Any]:
        """State, step, outcome and times, as of now."""
        return self._json("status.json")

    @property
    def provenance(self) -> dict[str, Any]:
        """Versions, machine, threads and hashes."""
        return self._json("provenance.json")

    @property
    def history(self) -> pl.DataFrame:
        """What was measured, one row a step, with the column `seconds` of training time.

        A polars frame; `run.history.to_pandas()` is the door to pandas.
        """
        rows = history.read(self.path, "history")
        clock = history.read(self.path, "clock", gaps=True)
        if "seconds" not in clock.columns:
            return rows
        return rows.join(clock.select("step", "seconds"), on="step", how="left")

    @property
    def last(self) -> dict[str, float]:
        """The last row of the history without its step; empty before the first measurement."""
        rows = history.read(self.path, "history").tail(1).drop("step").to_dicts()
        return rows[0] if rows else {}

    @property
    def steps(self) -> list[int]:
        """The steps at which a checkpoint was saved."""
        return checkpoint.steps(self.path)

    @property
    def outcome(self) -> str:
        """`grokked`, `memorized`, `diverged`, `unfinished`, or `running`."""
        return str(self.status.get("outcome") or "running")

    def snapshot(self, step: int | None = None) -> Snapshot:
        """Return the network and data at a saved step, the last one by default.

        Raises ConfigError for a step that was not saved, NoValidStateError for a damaged one.
        """
        if not self.steps:
            raise NoValidStateError(f"{self.path}: has no checkpoint yet")
        step = self.steps[-1] if step is None else step
        if step not in self.steps:
            near = min(self.steps, key=lambda saved: abs(saved - step))
            raise ConfigError(f"{self.path}: no checkpoint at step {step}; the nearest is {near}")
        saved = checkpoint.read(self.path, step)
        problem, params = problem_of(self.config, device="cpu")
        params.copy_(saved.flat(problem.layout))
        return Snapshot(problem, params, step=step, optimizer=saved.optimizer)

    def analyze(self, name: str, **options: Any) -> Result:
        """Return the result of an analysis, from the store where it was made before."""
        function = ANALYSES[name].function
        options = decode_options(name, function, options)
        provenance = {"options": options, "step": self.status.get("step")}
        return results.cached(self.path, name, provenance, lambda: function(self, **options))

    def results(self) -> dict[str, Result]:
        """Return the newest stored result of each analysis."""
        return results.stored(self.path)

    def summary(self) -> dict[str, Any]:
        """Return one row about the run: outcome, milestones, last values and configuration."""
        status = self.status
        keys = ("outcome", "step", "memorized_at", "grokked_at", "seconds", "last")
        row: dict[str, Any] = {"run": str(self.path), "state": status.get("state")}
        row |= {key: status.get(key) for key in keys if key != "last"}
        last = status.get("last") or {}
        return row | {key: last.get(key) for key in ("train_acc", "test_acc", "test_loss")}

    def verify(self) -> list[str]:
        """Return one line for each thing wrong with the run; an empty list means sound."""
        wrong = [problem for step in self.steps if (problem := self._damaged(step))]
        for series in ("history", "clock"):
            wrong += history.problems(self.path, series)
        wrong += [bad for path in results.paths(self.path) if (bad := damage(path))]
        for name in ("status.json", "provenance.json"):
            try:
                self._json(name)
            except NoValidStateError as error:
                wrong.append(str(error))
        try:
            if not wrong and self.provenance.get("config_hash") != identity(self.config):
                wrong.append(f"{self.path / 'config.yaml'}: does not match its hash in provenance")
        except (NoValidStateError, ConfigError) as error:
            wrong.append(str(error).splitlines()[0])
        return wrong or self._rows_missing()

    def export(self, path: Path) -> None:
        """Write the history as CSV or JSON, by the ending of `path`; never over a file."""
        export.export(self.history, self.summary(), path)

    def _damaged(self, step: int) -> str:
        return damage(checkpoint.directory(self.path, step))

    def _rows_missing(self) -> list[str]:
        if not self.steps:
            return []
        rows = int(checkpoint.read(self.path, self.steps[-1]).facts["rows"])
        found = len(history.read(self.path, "history"))
        if not history.read(self.path, "history")["step"].diff().drop_nulls().gt(0).all():
            return [f"{self.path}: the steps of the history are not ascending"]
        if found < rows:
            return [f"{self.path}: history has {found} rows, its last checkpoint counts {rows}"]
        return []

    def _json(self, name: str) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads((self.path / name).read_bytes())
        except FileNotFoundError:
            raise NoValidStateError(f"{self.path / name}: missing") from None
        except OSError as error:
            raise NoValidStateError(f"{self.path / name}: {error.strerror}") from None
        except ValueError:
            raise NoValidStateError(f"{self.path / name}: not JSON") from None
        return content if isinstance(content, Mapping) else {}


def open_run(path: str | Path) -> Run:
    """Return the run in a directory. Raises ConfigError where there is none."""
    path = Path(path)
    if not (path / "config.yaml").is_file():
        what = "no such directory" if not path.exists() else "is not a run (no config.yaml)"
        raise ConfigError(f"{path}: {what}")
    return Run(path)
