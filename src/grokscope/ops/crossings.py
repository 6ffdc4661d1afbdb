"""When a measured curve crosses a level: first, sustained and strict."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def first(steps: Sequence[int], values: Sequence[float], level: float) -> int | None:
    """Return the first step whose value is at least `level`, or None."""
    return sustained(steps, values, level, k=1)


def sustained(
    steps: Sequence[int], values: Sequence[float], level: float, *, k: int = 3
) -> int | None:
    """Return the first of k evaluations in a row that are all at least `level`, or None."""
    above = _above(values, level)
    if len(above) < k:
        return None
    run = np.convolve(above, np.ones(k, dtype=np.int64), mode="valid") == k
    return int(steps[int(np.argmax(run))]) if run.any() else None


def strict(steps: Sequence[int], values: Sequence[float], level: float) -> int | None:
    """Return the first step from which no later evaluation falls below `level`, or None."""
    above = _above(values, level)
    if not len(above) or not above[-1]:
        return None
    below = np.flatnonzero(above == 0)
    return int(steps[int(below[-1]) + 1]) if len(below) else int(steps[0])


def _above(values: Sequence[float], level: float) -> npt.NDArray[np.int64]:
    return (np.asarray(values, dtype=np.float64) >= level).astype(np.int64)
