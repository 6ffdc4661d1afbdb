"""Hjorth parameters of a curve: how large, how fast and how irregular its oscillation is."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Hjorth(NamedTuple):
    """Activity var L, mobility √(var ΔL/var L), complexity mobility(ΔL)/mobility(L)."""

    activity: float
    mobility: float
    complexity: float


def hjorth(curve: npt.NDArray[np.float64]) -> Hjorth:
    """Return the parameters of Hjorth (1970) of an evenly sampled curve; Δ is a difference.

    Mobility is a frequency, per sample: 2 sin(ω/2) for sin ωt. Complexity is 1 for a sinusoid, more
    for anything else. Those of a curve that does not move are NaN.

    >>> wave = np.sin(np.arange(4001) * np.pi / 10)
    >>> hjorth(wave).complexity.__round__(3)
    1.0
    """
    slope, bend = np.diff(curve), np.diff(curve, n=2)
    activity = float(np.var(curve))
    with np.errstate(invalid="ignore", divide="ignore"):
        mobility = np.sqrt(np.var(slope) / np.var(curve))
        complexity = np.sqrt(np.var(bend) / np.var(slope)) / mobility
    return Hjorth(activity, float(mobility), float(complexity))


def detrended(curve: npt.NDArray[np.float64], *, degree: int = 1) -> npt.NDArray[np.float64]:
    """Return the curve less the polynomial of this degree that fits it best."""
    at = np.linspace(-1, 1, len(curve))
    trend = np.polynomial.Polynomial.fit(at, curve, degree)(at)
    rest: npt.NDArray[np.float64] = curve - trend
    return rest
