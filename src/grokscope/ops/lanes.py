"""Independent pieces of work side by side in threads.

Small operations lose more to waking a second thread than they gain from it, so the pieces are
large, each on one thread, and their order of summation is fixed by the caller: the number of
lanes changes no bit.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")

_others: ContextVar[tuple[ThreadPoolExecutor, int] | None] = ContextVar("others", default=None)


@contextmanager
def lanes(count: int) -> Iterator[None]:
    """Give `each` this many lanes; every PyTorch operation then runs on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    pool = ThreadPoolExecutor(max(1, count - 1), "lane")  # starts no thread before it is used
    token = _others.set((pool, count - 1))
    try:
        yield
    finally:
        _others.reset(token)
        torch.set_num_threads(threads)
        pool.shutdown()


def each(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Return function(item) for each item, in order; inside `lanes` several at a time."""
    pool, count = _others.get() or (None, 0)
    if pool is None or len(items) < 2:
        return [function(item) for item in items]
    found: dict[int, R] = {}
    waiting = iter(range(len(items)))

    def work() -> None:
        for number in waiting:
            found[number] = function(items[number])

    others = [pool.submit(work) for _ in range(min(count, len(items) - 1))]
    try:
        work()
    finally:
        for other in others:
            other.result()
    return [found[number] for number in range(len(items))]
