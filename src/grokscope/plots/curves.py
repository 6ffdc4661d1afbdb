"""Curves to be drawn: smoothed, and thinned so that no peak or dip is lost."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]


def thin(x: Floats, y: Floats, most: int, *, log: bool = False) -> tuple[Floats, Floats]:
    """Return at most `most` of the points of a curve [n], [n]: of each stretch the extremes.

    The axis is cut into most/2 stretches of equal width as they are drawn, on a logarithmic axis by
    the logarithm; of each the lowest and the highest point are kept, in order. x must ascend.

    >>> x = np.arange(1000.0); y = np.zeros(1000); y[777] = 5
    >>> float(thin(x, y, 20)[1].max())
    5.0
    """
    if len(x) <= most:
        return x, y
    if len(x) != len(y):
        raise ValueError(f"{len(x)} places and {len(y)} values")
    place = np.log(np.maximum(x, 1e-12)) if log else x
    span = place[-1] - place[0]
    stretches = max(most // 2, 1)
    number = ((place - place[0]) * (stretches / span) if span > 0 else place * 0).astype(int)
    number = np.minimum(number, stretches - 1)
    starts = np.flatnonzero(np.diff(number, prepend=-1))
    own = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(x)))
    kept = np.zeros(len(x), dtype=bool)
    for extreme in (np.minimum, np.maximum):
        level = extreme.reduceat(y, starts)
        found = np.flatnonzero(y == level[own])
        kept[found[np.unique(own[found], return_index=True)[1]]] = True
    return x[kept], y[kept]


def smoothed(y: Floats, weight: float) -> Floats:
    """Return the exponential average of a curve: an evaluation weighs `weight` times the next one.

    m_t = weight m_{t-1} + (1 - weight) y_t, divided by 1 - weight^t so that the beginning counts
    in full.
    """
    if not weight or not len(y):
        return y
    from scipy.signal import lfilter  # noqa: PLC0415 - takes a while to load

    mean = lfilter([1 - weight], [1, -weight], y)
    return mean / (1 - weight ** np.arange(1, len(y) + 1))  # type: ignore[no-any-return]
