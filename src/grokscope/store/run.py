"""A run on the disk, to be read."""

import contextlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import NoneType
from typing import Any

import polars as pl

from grokscope.config import RunConfig, decode, identity, problem_of
from grokscope.config.document import ROOM, Document
from grokscope.config.options import decode_options
from grokscope.errors import ConfigError, NoValidStateError
from grokscope.snapshot import Snapshot
from grokscope.store import checkpoint, export, history, reading, results
from grokscope.store.belonging import chain, foreign, identities, misplaced
from grokscope.store.durable import damage
from grokscope.store.results import ANALYSES, Result

_STEP = (int, NoneType)
STATUS = {
    "step": int,
    "state": str,
    "outcome": (str, NoneType),
    "memorized_at": _STEP,
    "grokked_at": _STEP,
    "seconds": (int, float, NoneType),
    "reason": str,
    "last": dict,
    "missing": dict,
}
PROVENANCE = {"config_hash": str, "code_hash": str, "packages": dict, "drift": list}


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
        document = Document.read(self.path / "config.yaml", room=ROOM)
        return decode(document.mapping(), document=document)

    @property
    def status(self) -> dict[str, Any]:
        """State, step, outcome and times, as of now."""
        return reading.mapping(self.path / "status.json", STATUS)

    @property
    def provenance(self) -> dict[str, Any]:
        """Versions, machine, threads and hashes."""
        return reading.mapping(self.path / "provenance.json", PROVENANCE)

    @property
    def history(self) -> pl.DataFrame:
        """What was measured, one row a step, with the column `seconds` of training time.

        A polars frame; `run.history.to_pandas()` is the door to pandas. Raises NoValidStateError
        where rows are missing, damaged, or not those of the last checkpoint.
        """
        saved = self._facts()
        rows = history.read(self.path, "history")
        for step, facts in saved.items():
            if wrong := misplaced(facts, chain(rows.head(facts["rows"]).iter_rows(named=True))):
                raise NoValidStateError(f"{checkpoint.directory(self.path, step)}: {wrong}")
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
        if wrong := foreign(saved.facts, identities(self.path)):
            raise NoValidStateError(f"{checkpoint.directory(self.path, step)}: {wrong}")
        problem, params = problem_of(self.config, device="cpu")
        params.copy_(saved.flat(problem.layout))
        return Snapshot(
            problem,
            params,
            step=step,
            optimizer=saved.optimizer,
            rule=self.config.optimizer,
            schedule=self.config.schedule,
        )

    def analyze(self, name: str, **options: Any) -> Result:
        """Return the result of an analysis, from the store where it was made before."""
        part = ANALYSES[name]
        function = part.function
        options = decode_options(name, function, options)
        provenance: dict[str, Any] = {"options": options}
        if not part.lasting:
            provenance["step"] = self.status.get("step")
        if part.reads:
            first = self.results().get(part.reads) or self.analyze(part.reads)
            provenance["reads"] = first.provenance
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
        wrong += [
            bad for path in results.paths(self.path) if (bad := damage(path, ("result.json",)))
        ]
        for name, kinds in (("status.json", STATUS), ("provenance.json", PROVENANCE)):
            try:
                reading.mapping(self.path / name, kinds)
            except NoValidStateError as error:
                wrong.append(str(error))
        try:
            if not wrong and self.provenance.get("config_hash") != identity(self.config):
                wrong.append(f"{self.path / 'config.yaml'}: does not match its hash in provenance")
        except (NoValidStateError, ConfigError) as error:
            wrong.append(str(error).splitlines()[0])
        return wrong or self._strange()

    def export(self, path: Path) -> None:
        """Write the history as CSV or JSON, by the ending of `path`; never over a file."""
        export.export(self.history, self.summary(), path)

    def _damaged(self, step: int) -> str:
        try:
            checkpoint.read(self.path, step)
        except NoValidStateError as error:
            return str(error)
        return ""

    def _facts(self) -> dict[int, dict[str, Any]]:
        """Return the facts of the newest valid checkpoint by its step; empty without one."""
        for step in reversed(self.steps):
            with contextlib.suppress(NoValidStateError):
                return {step: checkpoint.facts(self.path, step)}
        return {}

    def _strange(self) -> list[str]:
        """Return what is wrong with files that are sound in themselves but do not fit together."""
        rows = history.read(self.path, "history")
        if not rows["step"].diff().drop_nulls().gt(0).all():
            return [f"{self.path}: the steps of the history are not ascending"]
        saved = {step: checkpoint.facts(self.path, step) for step in self.steps}
        links, known = chain(rows.iter_rows(named=True)), identities(self.path)
        ours = [facts["rows"] for facts in saved.values() if not foreign(facts, known)]
        if len(rows) < max(ours, default=0):
            return [f"{self.path}: history has {len(rows)} rows, a checkpoint counts {max(ours)}"]
        reasons = {step: foreign(f, known) or misplaced(f, links) for step, f in saved.items()}
        return [
            f"{checkpoint.directory(self.path, step)}: {reason}"
            for step, reason in reasons.items()
            if reason
        ]


def open_run(path: str | Path) -> Run:
    """Return the run in a directory. Raises ConfigError where there is none."""
    path = Path(path)
    if not (path / "config.yaml").is_file():
        what = "no such directory" if not path.exists() else "is not a run (no config.yaml)"
        raise ConfigError(f"{path}: {what}")
    return Run(path)
