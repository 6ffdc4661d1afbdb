"""Independent pieces of work side by side in threads.

Small operations lose more to waking a second thread than they gain from it, so the pieces are
large, each on one thread, and their order of summation is fixed by the caller: the number of
lanes changes no bit.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")

Inside = Callable[[], AbstractContextManager[Any]]

_others: ContextVar[tuple[ThreadPoolExecutor, int, Inside] | None]
_others = ContextVar("others", default=None)


@contextmanager
def lanes(count: int, inside: Inside = nullcontext) -> Iterator[None]:
    """Give `each` this many lanes; every PyTorch operation then runs on one thread.

    inside: a context that this thread and every lane enter, for what PyTorch keeps by thread.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    # A thread has its own number of threads below it, which oneDNN obeys. None starts before use.
    pool = ThreadPoolExecutor(max(1, count - 1), "lane", torch.set_num_threads, (1,))
    token = _others.set((pool, count - 1, inside))
    try:
        with inside():
            yield
    finally:
        _others.reset(token)
        torch.set_num_threads(threads)
        pool.shutdown()


def each(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Return function(item) for each item, in order; inside `lanes` several at a time.

    A graph of autograd must not leave the function: PyTorch orders backward passes by counters
    that each thread has for itself, so sums over such graphs would depend on the lanes.
    """
    others = _others.get()
    if others is None or len(items) < 2:
        return [function(item) for item in items]
    pool, count, inside = others
    found: dict[int, R] = {}
    waiting = iter(range(len(items)))

    def work() -> None:
        for number in waiting:
            found[number] = function(items[number])

    graph = torch.is_grad_enabled()

    def join() -> None:
        with torch.set_grad_enabled(graph), inside():
            work()

    joined = [pool.submit(join) for _ in range(min(count, len(items) - 1))]
    token = _others.set(None)  # within an item there are no further lanes
    try:
        work()
    finally:
        _others.reset(token)
        for other in joined:
            other.result()
    return [found[number] for number in range(len(items))]
