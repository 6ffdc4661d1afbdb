"""From the records of training to a run directory."""

import contextlib
import dataclasses
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final

from grokscope.config import RunConfig, to_yaml
from grokscope.errors import ConfigError, NoValidStateError, StorageError
from grokscope.store import checkpoint, history, reading
from grokscope.store.belonging import START, chain_of, follow, newest
from grokscope.store.checkpoint import Checkpoint
from grokscope.store.durable import (
    appear,
    make_directory,
    set_aside,
    sweep,
    to_json,
    write_file,
)
from grokscope.store.lock import Claim, locked

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+-]{0,127}")


def check_name(name: str) -> str:
    """Return a run's name. Raises ConfigError unless it is a plain file name."""
    if not NAME.fullmatch(name) or name.endswith(".tmp"):
        raise ConfigError(
            f"name: expected letters, digits and . _ = + - (at most 128, starting with a letter or "
            f"digit), got {name[:140]!r}"
        )
    return name


@final
class Writer:
    """The one writer of a run directory. Knows tensors and rows, nothing of training."""

    def __init__(
        self, path: Path, *, links: list[str], identity: str | None, status: dict[str, Any]
    ) -> None:
        self.path = path
        self._rows = len(links) - 1
        self._link = links[-1]
        self._identity = identity
        self._pending: list[dict[str, float]] = []
        self._clock: list[dict[str, float]] = []
        self._status = status

    def measured(self, step: int, values: dict[str, float], seconds: float) -> None:
        """Keep a row of the history until the next `flush`."""
        self._pending.append({"step": step, **values})
        self._link = follow(self._link, self._pending[-1])
        self._clock.append({"step": step, "seconds": seconds})

    def flush(self) -> None:
        """Close the rows measured so far into a segment."""
        history.append(self.path, "history", self._rows, self._pending)
        history.append(self.path, "clock", self._rows, self._clock)
        self._rows += len(self._pending)
        self._pending, self._clock = [], []

    def saved(self, saved: Checkpoint) -> None:
        """Flush, then write a checkpoint that knows which rows of history are its own."""
        self.flush()
        ours = {"rows": self._rows, "history_hash": self._link, "config_hash": self._identity}
        facts = {**saved.facts, **ours}
        checkpoint.write(self.path, dataclasses.replace(saved, facts=facts))
        self.status(step=saved.step)

    def status(self, **changes: Any) -> None:
        """Change the status file."""
        self._status = {**self._status, **changes, "updated": time.time()}
        write_file(self.path / "status.json", to_json(self._status))

    def diagnosed(self, diagnosis: Mapping[str, Any]) -> None:
        """Write what is known of a diverged run, with its last hundred rows."""
        self.flush()
        rows = history.read(self.path, "history").tail(100).to_dicts()
        write_file(self.path / "diagnosis.json", to_json({**diagnosis, "last_rows": rows}))

    def drifted(self, facts: Mapping[str, Any], changes: Sequence[str], step: int) -> None:
        """Record in the provenance that the run goes on from `step` under other conditions."""
        old = reading.mapping(self.path / "provenance.json", {"drift": list})
        told = {"step": step, "changes": list(changes), "config_hash": old.get("config_hash")}
        drift = [*old.get("drift", []), told]
        write_file(self.path / "provenance.json", to_json({**facts, "drift": drift}))
        self._identity = facts.get("config_hash")

    def finish(self, *, compact: bool, **changes: Any) -> None:
        """Flush, join the history into one file if the run is done, and write the last status."""
        self.flush()
        if compact:
            history.compact(self.path, "history")
            history.compact(self.path, "clock")
        self.status(**changes)


@contextlib.contextmanager
def create(path: Path, config: RunConfig, provenance: dict[str, Any]) -> Iterator[Writer]:
    """Make a run directory and hold its lock. Raises ConfigError where the path exists.

    The directory appears with its first three files at once, so what is there can be gone on with
    wherever its writer died, and where it died before there is nothing in the way of another.
    """
    check_name(path.name)
    make_directory(path.parent)
    _check_free(path)
    now = time.time()
    status = {"version": 1, "state": "running", "step": 0, "started": now, "updated": now}
    files = {
        "config.yaml": to_yaml(config).encode(),
        "provenance.json": to_json(provenance),
        "status.json": to_json(status),
    }
    try:
        appear(path, files)
    except StorageError:
        _check_free(path)  # another process may have taken the name meanwhile
        raise
    with locked(path):
        sweep(path.parent, path.name)
        yield Writer(path, links=[START], identity=provenance.get("config_hash"), status=status)


def _check_free(path: Path) -> None:
    """Raise ConfigError where there is anything under the name of a new run."""
    if os.path.lexists(path):
        raise ConfigError(
            f"{path}: exists already and is never overwritten; choose another --name, or "
            f"grokscope resume {path}"
        )


@contextlib.contextmanager
def reopen(
    path: Path, config: RunConfig, claim: Claim | None = None
) -> Iterator[tuple[Writer, Checkpoint | None]]:
    """Become the owner of an existing run and return its newest valid checkpoint.

    claim: what a lock that is held already makes its owner; without it the lock is taken.

    Newer checkpoints, damaged or with lost rows of history, are set aside, and the history is cut
    back to the checkpoint's own rows; where a checkpoint was passed over, nothing is deleted. None
    is returned, and the run starts anew, where no checkpoint was ever written; raises
    NoValidStateError where there are some and none is valid.
    """
    with locked(path) if claim is None else claim():
        found, wrong = newest(path)
        if found is None and wrong:
            raise NoValidStateError(f"{path}: no valid checkpoint is left: {wrong[0]}")
        for name in ("checkpoints", "history", "clock"):
            reading.check_inside(path / name)
        for step in checkpoint.steps(path):
            if found is not None and step > found.step:
                set_aside(checkpoint.directory(path, step))
        for folder in (path, path / "checkpoints", path / "history", path / "clock"):
            sweep(folder)
        rows = int(found.facts["rows"]) if found is not None else 0
        for series in ("history", "clock"):
            history.cut(path, series, rows, aside=bool(wrong))
        status, provenance = _status(path), reading.mapping(path / "provenance.json")
        writer = Writer(
            path,
            links=chain_of(path),
            identity=provenance.get("config_hash"),
            status={**status, "state": "running", "step": found.step if found is not None else 0},
        )
        writer.status()  # before the configuration: no run is finished that was asked for more
        content = to_yaml(config).encode()
        if reading.content(path / "config.yaml") != content:
            write_file(path / "config.yaml", content)
        yield writer, found


def _status(path: Path) -> dict[str, Any]:
    """Return the status of a run; a damaged file is set aside, for it holds nothing unique."""
    try:
        return reading.mapping(path / "status.json")
    except NoValidStateError:
        if os.path.lexists(path / "status.json"):
            set_aside(path / "status.json")
        return {"version": 1}
