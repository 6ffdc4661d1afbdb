"""Calls for a pool, which dies in every way: a module of its own, since workers import it."""

import inspect
import os
import signal
import struct
import threading
from pathlib import Path

from grokscope.errors import StorageError


def work(what, folder, tell, stop):
    """Do what is asked, each kind of mishap only the first time in this folder."""
    first = Path(folder) / what.replace(" ", "-")
    again = first.exists()
    first.touch()
    tell(os.getpid())
    if what == "wait until told":
        while not stop():
            pass
    if what == "die always" or (what == "die" and not again):
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "die in a message" and not again:
        pipe = inspect.getclosurevars(tell).nonlocals["pipe"]
        os.write(pipe.fileno(), struct.pack("!i", 4096) + b"half")
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "talk nonsense" and not again:
        inspect.getclosurevars(tell).nonlocals["pipe"].send_bytes(b"no pickle")
        threading.Event().wait()
    if what == "full disk always" or (what == "full disk" and not again):
        raise StorageError("the disk is full")
    if what == "raise":
        raise ValueError("no such thing")
    return "diverged" if what == "diverge" else ""
