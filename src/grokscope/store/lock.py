"""One writer for each run: an advisory lock that ends with the process that holds it."""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grokscope.errors import LockedError
from grokscope.store.durable import storage


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold the lock of a run. Raises LockedError naming the owner where another writer has it."""
    path = run / ".lock"
    with storage(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 4096, 0).decode(errors="replace").strip() or "unknown"
            raise LockedError(f"{run}: is being written by another process: {owner}") from None
        record = json.dumps({"host": socket.gethostname(), "pid": os.getpid()})
        with storage(path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, record.encode(), 0)
        yield
    finally:
        os.close(descriptor)
