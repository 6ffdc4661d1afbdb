"""Keep freed memory: a step allocates the same large tensors as the step before it."""

import ctypes
import functools
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_LARGE = 1 << 30
_PAD = 64 << 20


@functools.cache
def keep_freed_memory() -> bool:
    """Ask glibc to hand freed memory out again instead of returning it to the system.

    By default every tensor of more than a few megabytes is mapped, zeroed page by page on first
    touch, and unmapped again, in each step: 5,000 page faults and a fifth of the time of a step of
    `nanda-113`. Returns whether the C library took the setting; elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    wanted = ((_MMAP_THRESHOLD, _LARGE), (_TRIM_THRESHOLD, _LARGE), (_TOP_PAD, _PAD))
    taken = [mallopt(option, value) == 1 for option, value in wanted]
    return all(taken)
