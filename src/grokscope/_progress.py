"""How far a long computation is, told to whoever listens; nobody needs to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str, float], None]
"""Called with a few words about what is done and the share of it that is done, 0 to 1."""

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have `listener` told inside the block."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell(words: str, share: float) -> None:
    """Tell whoever listens how far it is.

    >>> heard = []
    >>> with listening(lambda words, share: heard.append((words, share))):
    ...     tell("rows", 0.5)
    >>> heard
    [('rows', 0.5)]
    """
    listener = _listener.get()
    if listener is not None:
        listener(words, share)


@contextmanager
def within(words: str, start: float, stop: float) -> Iterator[None]:
    """Place what is told inside the block between two shares of the whole."""
    outer = _listener.get()
    if outer is None:
        yield
        return
    told = outer
    with listening(lambda what, share: told(f"{words} {what}", start + (stop - start) * share)):
        yield
