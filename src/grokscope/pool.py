"""Long-lived worker processes that may die: what one had under way is given to another."""

import contextlib
import multiprocessing
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any, TypeAlias

from grokscope.errors import StorageError

POLL = 0.2
"""Seconds between two looks at whether to stop, on either side."""
ATTEMPTS = 5
"""Times at most that one call is begun; a call that kills every worker must end somewhere."""

Tell: TypeAlias = Callable[[Any], None]
Stop: TypeAlias = Callable[[], bool]
Work: TypeAlias = Callable[..., str]
"""Takes the arguments of a call, `tell` and `stop_requested`; returns what went wrong, or ''."""


@dataclass(frozen=True)
class Ended:
    """A call is over. reason: what went wrong, or an empty text."""

    reason: str


@dataclass(frozen=True)
class Again:
    """A call is begun anew, since its worker died or its disk refused."""

    reason: str


def run_calls(
    work: Work,
    calls: Sequence[tuple[Any, ...]],
    *,
    workers: int,
    heard: Callable[[int, Any], None],
    stop_requested: Stop = lambda: False,
) -> None:
    """Make each call in one of `workers` processes, in order, and return when all are over.

    work: a function of a module, which must be able to go on with what another began. heard is
    given the number of a call and what its worker told, at the end Ended. Where a worker dies or
    raises StorageError the call is begun again, at most ATTEMPTS times in all. When stop_requested
    answers True, work under way is asked to stop and no other begins.
    """
    waiting = deque(range(len(calls)))
    tries = dict.fromkeys(waiting, 0)
    free: list[_Worker] = []
    busy: dict[Connection, _Worker] = {}
    stopping = False
    try:
        while waiting or busy:
            if not stopping and stop_requested():
                stopping = True
                waiting.clear()
                for worker in busy.values():
                    worker.send(None)
            while waiting and len(busy) < workers:
                worker = free.pop() if free else _Worker(work)
                worker.number = waiting.popleft()
                tries[worker.number] += 1
                worker.send(calls[worker.number])
                busy[worker.pipe] = worker
            for pipe in wait(list(busy), POLL):
                worker = busy[pipe]  # type: ignore[index]
                message = worker.receive()
                if not isinstance(message, (Ended, Again)):
                    heard(worker.number, message)
                    continue
                del busy[worker.pipe]
                if worker.alive:
                    free.append(worker)
                if isinstance(message, Again) and not stopping and tries[worker.number] < ATTEMPTS:
                    waiting.appendleft(worker.number)
                    heard(worker.number, message)
                else:
                    heard(worker.number, Ended(message.reason))
    finally:
        for worker in (*free, *busy.values()):
            worker.end()


class _Worker:
    """One process and the parent's end of the pipe to it."""

    def __init__(self, work: Work) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, far = context.Pipe()
        self.process: BaseProcess = context.Process(target=_serve, args=(far, work))
        with _no_main():
            self.process.start()
        far.close()
        self.number = -1
        self.alive = True

    def send(self, message: Any) -> None:
        """Send a call, or None to ask for the end; a dead worker is found out when it is read."""
        with contextlib.suppress(OSError):
            self.pipe.send(message)

    def receive(self) -> Any:
        """Return what the worker told; Again where it died."""
        try:
            return self.pipe.recv()
        except Exception:  # a message may have been cut anywhere
            self.process.kill()  # what cannot be understood is no better than dead
            self.process.join()
            self.pipe.close()
            self.alive = False
            code = self.process.exitcode or 0
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            return Again(f"its process died ({how})")

    def end(self) -> None:
        """Ask the process to end, and wait for it."""
        self.send(None)
        self.process.join()


@contextlib.contextmanager
def _no_main() -> Iterator[None]:
    """Keep new processes from running the main script once more, so that it needs no guard."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _serve(pipe: Connection, work: Work) -> None:
    """Answer calls until the parent says to end, or is gone."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent is told, and decides

    def tell(message: Any) -> None:
        with contextlib.suppress(OSError):  # a parent that is gone is noticed by `stop`
            pipe.send(message)

    with contextlib.suppress(EOFError, OSError):
        while (call := pipe.recv()) is not None:
            tell(make_call(work, call, tell, sometimes(pipe.poll)))


def make_call(work: Work, call: tuple[Any, ...], tell: Tell, stop: Stop) -> Ended | Again:
    """Make one call here and return how it went; Again where the disk refused."""
    try:
        return Ended(work(*call, tell, stop))
    except StorageError as error:
        return Again(str(error))
    except Exception as error:
        return Ended(f"{type(error).__name__}: {error}")


def sometimes(ask: Stop) -> Stop:
    """Return a cheap function that asks only every POLL seconds, until the answer is True."""
    looked, answer = time.monotonic(), False

    def stop() -> bool:
        nonlocal looked, answer
        if not answer and time.monotonic() - looked > POLL:
            looked, answer = time.monotonic(), ask()
        return answer

    return stop
