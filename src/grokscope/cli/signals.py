"""Signals set a flag; the training loop acts on it at the next step boundary."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

REQUEUE = 75
INTERRUPTED = 130
CODES = {signal.SIGTERM: REQUEUE, signal.SIGUSR1: REQUEUE, signal.SIGINT: INTERRUPTED}


class Stop:
    """Whether a signal asked to stop, and the exit code that goes with it."""

    code = 0

    def __call__(self) -> bool:
        """Return whether to stop."""
        return self.code != 0


@contextmanager
def stopping() -> Iterator[Stop]:
    """Turn SIGTERM, SIGUSR1 and SIGINT into a request to stop while the block runs.

    A second SIGINT is an ordinary KeyboardInterrupt.
    """
    stop = Stop()
    before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.code == INTERRUPTED and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.code = CODES[signal.Signals(number)]

    try:
        for name in CODES:
            before[name] = signal.signal(name, handle)
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
