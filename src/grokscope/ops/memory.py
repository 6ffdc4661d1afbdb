"""How much memory is free, and a refusal before it is taken."""

import os
from pathlib import Path

from grokscope.errors import TooLargeError

SHARE = 0.8
"""How much of the free memory one computation may take."""


def free_memory() -> int:
    """Return the bytes that can be had without swapping, as the system says."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    except OSError:
        pass
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def check_memory(needed: int, what: str) -> None:
    """Raise TooLargeError with the estimate where `needed` bytes are more than there are."""
    free = free_memory()
    if needed > SHARE * free:
        raise TooLargeError(
            f"{what}: needs about {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free"
        )
