"""One writer for each run: an advisory lock, and a fence against a writer that lost it unawares.

The lock ends with the process that holds it. A process that was suspended, or whose file system
forgot the lock, may wake up when another one has taken over: so every owner has a number of its
own in `.owner`, and looks before each rename whether it still is the owner.
"""

import fcntl
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from grokscope.errors import LockedError, NoValidStateError, StorageError
from grokscope.store import reading
from grokscope.store.durable import fenced, storage, write_file

Claim = Callable[[], AbstractContextManager[None]]


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold the lock of a run as its owner, whose durable writes are fenced.

    Raises LockedError naming the owner where another writer has it.
    """
    with held(run) as claim, claim():
        yield


@contextmanager
def held(run: Path) -> Iterator[Claim]:
    """Hold the lock of a run, which keeps writers out; yield what makes its holder the owner.

    Raises LockedError naming the owner where another writer has it.
    """
    path = run / ".lock"
    with storage(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = os.pread(descriptor, 4096, 0).decode(errors="replace").strip() or "unknown"
            raise LockedError(f"{run}: is being written by another process: {other}") from None
        with storage(path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, _told(_this()).encode(), 0)
        yield partial(_owning, run, descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _owning(run: Path, descriptor: int) -> Iterator[None]:
    mine = _claim(run)
    with fenced(run, lambda: _check(run, descriptor, mine)):
        yield


def _claim(run: Path) -> dict[str, Any]:
    """Become the owner under the next number."""
    generation = _owner(run).get("generation")
    mine = {"generation": 1 + (generation if isinstance(generation, int) else 0), **_this()}
    write_file(run / ".owner", json.dumps(mine).encode())
    return mine


def _check(run: Path, descriptor: int, mine: dict[str, Any]) -> None:
    """Raise LockedError unless the lock file and the owner are still those of this process.

    Raises StorageError where that cannot be read.
    """
    try:
        same = os.path.samestat(os.fstat(descriptor), os.stat(run / ".lock"))
    except FileNotFoundError:
        same = False
    try:
        owner = reading.mapping(run / ".owner")
    except NoValidStateError as error:
        if same and (run / ".owner").exists():
            raise StorageError(
                f"{error}; whether this process is still the writer cannot be told, so nothing "
                "more is written; check the disk, then resume the run"
            ) from None
        owner = {}
    if not same or owner != mine:
        raise LockedError(
            f"{run}: was taken over by another process ({_told(owner)}); "
            "nothing more is written by this one"
        )


def _owner(run: Path) -> dict[str, Any]:
    """Return who is, or last was, the owner; empty where that cannot be read."""
    try:
        return reading.mapping(run / ".owner")
    except NoValidStateError:
        return {}


def _this() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "boot": _boot()}


def _told(owner: dict[str, Any]) -> str:
    known = {"pid", "host"} <= set(owner)
    return f"process {owner['pid']} on {owner['host']}" if known else "unknown"


def _boot() -> str:
    """Return what tells this start of the machine from others, where the system says."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
