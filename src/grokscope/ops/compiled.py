"""Loops that numba compiles: where PyTorch has no operation that does the work in one pass."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

FAST = {"contract", "reassoc", "nsz", "arcp"}
"""Liberties with rounding only: infinities and NaN stay what they are."""


def compiled(function: Callable[..., None]) -> Callable[..., None]:
    """Compile a function of NumPy arrays at its first call; it runs without holding the GIL.

    The machine code is kept on disk where there is a place for it. The plain function stays
    available as `__wrapped__`.
    """

    @functools.cache
    def kernel() -> Any:
        import numba  # noqa: PLC0415  (a third of a second, and only training needs it)

        loops = inspect.unwrap(function)  # tests check the shapes of every annotated function
        try:
            return numba.njit(nogil=True, cache=True, fastmath=FAST)(loops)
        except RuntimeError:  # no folder to keep it in
            return numba.njit(nogil=True, fastmath=FAST)(loops)

    @functools.wraps(function)
    def call(*arrays: Any) -> None:
        kernel()(*arrays)

    return call
