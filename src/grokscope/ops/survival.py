"""Times to an event that was not always seen: right-censored samples (Kaplan and Meier 1958).

A sample is `times` [n], the step of the event or else the last step looked at, and `seen` [n],
whether it was the event. Functions that say [..., n] take many samples of one size at once.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float

Floats: TypeAlias = npt.NDArray[np.float64]
Sample: TypeAlias = tuple[Floats, npt.NDArray[np.bool_]]
_TIE = 1e-9


@dataclass(frozen=True)
class Curve:
    """Kaplan-Meier estimate S at each time of a sample, with the ends of its pointwise interval."""

    times: Floats
    survival: Floats
    low: Floats
    high: Floats


def kaplan_meier(
    times: Float[np.ndarray, " n"], seen: Bool[np.ndarray, " n"], *, level: float = 0.95
) -> Curve:
    """Return S(t) = Π_{t_i <= t} (1 - d_i/n_i) and its log-log interval (Kalbfleisch, Prentice).

    d_i events among n_i still at risk. The ends are NaN where S is 0 or 1: no interval is defined.
    """
    from scipy import stats  # noqa: PLC0415 - takes a second to load

    sample = stats.CensoredData.right_censored(times, ~seen)
    found = stats.ecdf(sample).sf
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of scipy, about S = 0 and S = 1
        ends = found.confidence_interval(confidence_level=level, method="log-log")
    low, high = ends.low.probabilities, ends.high.probabilities
    return Curve(found.quantiles, found.probabilities, low, high)


def quantile(
    times: Float[np.ndarray, "*b n"], seen: Bool[np.ndarray, "*b n"], share: float = 0.5
) -> Float[np.ndarray, "*b"]:
    """Return the time by which a share of the sample had the event, the median by default.

    The first time at which S is at most 1 - share; where S is exactly that for a while, the
    middle of the while, so that without censoring the median is the ordinary one. Infinite where S
    does not fall below 1 - share.
    """
    t, survival = _ordered(times, seen)
    at_most = survival <= 1 - share + _TIE
    below = survival < 1 - share - _TIE if share < 1 else at_most
    ends = [
        np.take_along_axis(t, np.argmax(found, -1)[..., None], -1)[..., 0]
        for found in (at_most, below)
    ]
    return np.where(below.any(-1), (ends[0] + ends[1]) / 2, np.inf)


def restricted_mean(
    times: Float[np.ndarray, "*b n"], seen: Bool[np.ndarray, "*b n"], *, until: float
) -> Float[np.ndarray, "*b"]:
    """Return ∫ S(t) dt from 0 to `until`: the mean of min(T, until) (Irwin 1949).

    `until` must not lie beyond the `horizon` of the sample; S is continued as a constant there.
    """
    t, survival = _ordered(times, seen)
    inner = np.minimum(t, until)
    start, end = np.zeros_like(inner[..., :1]), np.full_like(inner[..., :1], until)
    widths = np.diff(np.concatenate([start, inner, end], -1), axis=-1)
    heights = np.concatenate([np.ones_like(start), survival], -1)
    area: Floats = np.asarray((widths * heights).sum(-1))
    return area


def horizon(
    times: Float[np.ndarray, "*b n"], seen: Bool[np.ndarray, "*b n"]
) -> Float[np.ndarray, "*b"]:
    """Return the time up to which S is known: the last one, or no end where S is 0 by then."""
    last = times.max(-1)
    censored = np.where(seen, -np.inf, times).max(-1)
    return np.where(censored >= last, last, np.inf)


def logrank_scores(
    times: Float[np.ndarray, " n"], seen: Bool[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Return what each member adds to observed minus expected events: seen - Λ(time).

    Λ is the Nelson-Aalen estimate Σ d_i/n_i of the whole sample. The sum over a group is the
    numerator of its log-rank statistic, so a permutation test of these scores is a log-rank test
    that is exact for any number of members.
    """
    moments, deaths, at_risk = _events(times, seen)
    hazard = np.concatenate([[0.0], np.cumsum(deaths / at_risk)])
    scores: Floats = seen - hazard[np.searchsorted(moments, times, side="right")]
    return scores


def logrank(samples: Sequence[Sample]) -> tuple[float, float]:
    """Return χ² and p of the log-rank test that k samples have one survival curve (Mantel 1966).

    χ² has k - 1 degrees of freedom; p is asymptotic and too small for a handful of members. NaN
    where there are fewer than two samples or no event was seen.
    """
    from scipy import stats  # noqa: PLC0415 - takes a second to load

    times = np.concatenate([t for t, _ in samples])
    seen = np.concatenate([s for _, s in samples])
    moments, deaths, at_risk = _events(times, seen)
    if len(samples) < 2 or not len(moments):
        return float("nan"), float("nan")
    risk = np.array([(t[:, None] >= moments).sum(0) for t, _ in samples])
    happened = np.array([((t[:, None] == moments) & s[:, None]).sum(0) for t, s in samples])
    share = risk / at_risk
    excess = (happened - share * deaths).sum(1)
    spread = deaths * (at_risk - deaths) / np.maximum(at_risk - 1, 1)
    covariance = np.diag((share * spread).sum(1)) - (share * spread) @ share.T
    statistic = float(excess @ np.linalg.pinv(covariance, hermitian=True) @ excess)
    return statistic, float(stats.chi2.sf(statistic, len(samples) - 1))


def _events(times: Floats, seen: npt.NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Return the distinct times of events, how many happened at each, and how many were at risk."""
    moments, deaths = np.unique(times[seen], return_counts=True)
    at_risk = (times[:, None] >= moments).sum(0)
    return moments, deaths.astype(np.float64), at_risk.astype(np.float64)


def _ordered(times: Floats, seen: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return times ascending, events before censored ones, and S after each."""
    order = np.lexsort((~seen, times), axis=-1)
    t = np.take_along_axis(times, order, -1)
    happened = np.take_along_axis(seen, order, -1)
    n = t.shape[-1]
    survival: Floats = np.cumprod(1 - happened / (n - np.arange(n)), axis=-1)
    return t, survival
