"""A process that has everything loaded and forks a child for each task: a start costs milliseconds.

The client side is `Server` and `Child`; `python server.py` is the other side. A task is a list of
calls, functions by name with arguments that JSON can hold, made one after another in the child;
the last one's value is the exit code.
"""

import atexit
import ctypes
import functools
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
Call = tuple[str, dict[str, Any]]
FAILED = 99
_PR_SET_PDEATHSIG = 1


def call(function: Callable[..., Any], **arguments: Any) -> Call:
    """Return a call that a child can make: a function of a module in faults/ and its arguments."""
    return f"{function.__module__}:{function.__qualname__}", arguments


class Child:
    """A process under way. It stays known to the system until `wait`, so no signal goes astray."""

    def __init__(self, server: "Server", pid: int, log: Path) -> None:
        self.pid, self.log = pid, log
        self._server = server
        self._handle = os.pidfd_open(pid)

    def send(self, number: int) -> None:
        """Send a signal; to one that has ended this does nothing."""
        os.kill(self.pid, number)

    def ended(self, timeout: float) -> bool:
        """Return whether the child ends within some seconds."""
        waiting = select.poll()
        waiting.register(self._handle, select.POLLIN)
        return bool(waiting.poll(max(timeout, 0) * 1000))

    def wait(self, timeout: float = 60.0) -> int:
        """Return the exit code or minus the signal; kill a late child and raise TimeoutError."""
        late = not self.ended(timeout)
        if late:
            self.send(signal.SIGKILL)
        code: int = self._server.ask({"reap": self.pid})
        os.close(self._handle)
        if late:
            raise TimeoutError(f"process {self.pid} had not ended after {timeout:.0f} s")
        return code

    def said(self) -> str:
        """Return what the child wrote on standard output and standard error."""
        return self.log.read_text(errors="replace")


class Server:
    """The client's end of a fork server."""

    def __init__(self) -> None:
        settings = {k: v for k, v in os.environ.items() if not k.startswith("GROKSCOPE_")}
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**settings, **one_thread, "POLARS_MAX_THREADS": "1", "TERM": "dumb"},
            text=True,
        )
        if self._answer() != "ready":
            raise RuntimeError("the fork server did not start")

    def start(self, log: Path, calls: Sequence[Call]) -> Child:
        """Fork a child that makes these calls and writes what it says into a file."""
        log.write_bytes(b"")
        return Child(self, self.ask({"calls": list(calls), "log": str(log)}), log)

    def run(self, log: Path, calls: Sequence[Call], timeout: float = 60.0) -> int:
        """Make these calls in a child and return its exit code."""
        return self.start(log, calls).wait(timeout)

    def ask(self, request: dict[str, Any]) -> Any:
        """Send a request and return the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the server; children still under way die with it."""
        self._process.communicate()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline() or "null")


@functools.cache
def server() -> Server:
    """Return the one server of this process; it ends with it."""
    started = Server()
    atexit.register(started.close)
    return started


def _load() -> None:
    """Import everything and compile the loops, starting no thread that a child would miss."""
    import torch

    torch.set_num_threads(1)
    import grokscope

    for module in pkgutil.walk_packages(grokscope.__path__, "grokscope."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    sys.path.insert(0, str(HERE))
    trials = importlib.import_module("trials")
    trials.warm_up()
    gc.collect()
    gc.freeze()


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever is said while loading
    _load()

    def answer(value: Any) -> None:
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    answer("ready")
    while line := sys.stdin.readline():
        request = json.loads(line)
        if "reap" in request:
            answer(os.waitstatus_to_exitcode(os.waitpid(request["reap"], 0)[1]))
            continue
        for name, _ in request["calls"]:
            importlib.import_module(name.partition(":")[0])
        pid = os.fork()
        if pid == 0:
            os.close(answers.fileno())
            os._exit(_child(request["calls"], request["log"]))
        answer(pid)


def _child(calls: Sequence[Call], log: str) -> int:
    """Make the calls; an error of grokscope ends with its exit code, as in the command."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    for source, flags, targets in ((os.devnull, os.O_RDONLY, (0,)), (log, os.O_WRONLY, (1, 2))):
        descriptor = os.open(source, flags | os.O_APPEND)
        for target in targets:
            os.dup2(descriptor, target)
        os.close(descriptor)
    code = 0
    try:
        for name, arguments in calls:
            module, _, function = name.partition(":")
            code = getattr(importlib.import_module(module), function)(**arguments) or 0
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except BaseException as error:
        code = getattr(error, "exit_code", FAILED)
        if code == FAILED:
            traceback.print_exc()
        else:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=DeprecationWarning)  # of forking beside jemalloc
    _serve()
