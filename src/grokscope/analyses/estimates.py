"""A statistic of a group of runs with its interval, and how it differs between two groups."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grokscope.errors import ScienceError
from grokscope.ops.intervals import (
    mean_interval,
    median_interval,
    success_difference,
    success_interval,
)
from grokscope.ops.resampling import bootstrap_rows, ends, permutation_p
from grokscope.ops.survival import (
    Floats,
    Sample,
    horizon,
    logrank_scores,
    quantile,
    restricted_mean,
)

METHODS = {
    "median": "Kaplan-Meier medians; log-rank permutation test; percentile bootstrap",
    "rmst": "Kaplan-Meier restricted means; log-rank permutation test; percentile bootstrap",
    "success": "Rates; permutation test of the rates; Newcombe interval",
    "mean": "Means; permutation test of the means; percentile bootstrap",
    "numbers": "Medians; permutation test of the means; percentile bootstrap",
}
ALONE = {
    "median": "Kaplan-Meier median; interval by order statistics",
    "rmst": "Kaplan-Meier restricted mean; Student interval of jackknife pseudo-values",
    "success": "Rate; Wilson interval",
    "mean": "Mean; Student interval",
    "numbers": "Median; interval by order statistics",
}


@dataclass(frozen=True)
class Interval:
    """A number and the ends of its 95 % interval; infinite where it was not reached."""

    value: float
    low: float
    high: float


def kind_of(statistic: str, *, timed: bool) -> str:
    """Return which method estimates a statistic: a key of METHODS."""
    if statistic == "last":
        return "mean"
    return "numbers" if statistic == "median" and not timed else statistic


def estimate(kind: str, sample: Sample, *, until: float = math.inf) -> Interval:
    """Return a statistic of a sample with an interval that is honest for few runs.

    Numbers are a sample of which all was seen. until: where restricted means end. Raises
    ScienceError for the mean of times some of which are censored.
    """
    times, seen = sample
    if kind == "success":
        return Interval(float(seen.mean()), *success_interval(int(seen.sum()), len(seen)))
    if kind in ("median", "numbers"):
        unseen = np.where(seen, times, np.inf)
        interval = median_interval(times.tolist(), unseen.tolist())
        return Interval(float(quantile(times, seen)), *interval)
    if kind == "rmst":
        _, low, high = mean_interval(_pseudo_values(times, seen, until))
        return Interval(float(restricted_mean(times, seen, until=until)), low, high)
    if not seen.all():
        told = f"{int((~seen).sum())} of {len(seen)} runs are censored and have no time to average"
        raise ScienceError(f"mean: {told}; take rmst(...) or median(...)")
    return Interval(*mean_interval(times.tolist()))


def bootstrapped(kind: str, sample: Sample, *, until: float = math.inf) -> Interval:
    """Return a statistic of a sample with its percentile bootstrap interval.

    The interval of a success rate is Wilson's, for a bootstrap of equal runs has no width.
    """
    if kind == "success":
        return estimate(kind, sample)
    lower, upper = _draws(kind, sample, 0, until)
    low, high = ends(lower, upper=upper)
    return Interval(estimate(kind, sample, until=until).value, low, high)


def difference(kind: str, one: Sample, other: Sample) -> tuple[Interval, float]:
    """Return how a statistic differs, one minus other, with its interval, and the p of equality.

    A median that was not reached lies somewhere after the last step of its group, and the interval
    counts it so. Restricted means end where the follow-up of both groups does.
    """
    until = common_horizon([one, other])
    values = [estimate(kind, sample, until=until).value for sample in (one, other)]
    gap = values[0] - values[1] if any(map(math.isfinite, values)) else math.nan
    if kind == "success":
        counts = [(int(seen.sum()), len(seen)) for _, seen in (one, other)]
        low, high = success_difference(counts[0], counts[1])
    else:
        (a, b), (c, d) = (_draws(kind, s, i, until) for i, s in enumerate((one, other)))
        low, high = ends(a - d, upper=b - c)
    return Interval(gap, low, high), permutation_p(*_scores(kind, one, other))


def common_horizon(samples: list[Sample]) -> float:
    """Return up to where all samples were followed: their last time where all is known."""
    found = min(float(horizon(times, seen)) for times, seen in samples)
    return found if math.isfinite(found) else max(float(times.max()) for times, _ in samples)


def _draws(kind: str, sample: Sample, stream: int, until: float) -> tuple[Floats, Floats]:
    """Return between what numbers a statistic lies in each bootstrap draw of a sample."""
    times, seen = sample
    rows = bootstrap_rows(len(times), stream=stream)
    t, s = times[rows], seen[rows]
    if kind == "mean":
        found = t.mean(-1)
    elif kind == "rmst":
        found = restricted_mean(t, s, until=until)
    else:
        found = quantile(t, s)
        return np.where(np.isinf(found), t.max(-1), found), found
    return found, found


def _scores(kind: str, one: Sample, other: Sample) -> tuple[Floats, Floats]:
    """Return the numbers whose means a permutation test compares."""
    if kind == "success":
        return one[1].astype(float), other[1].astype(float)
    if kind in ("mean", "numbers"):
        return one[0], other[0]
    times, seen = (np.concatenate(parts) for parts in zip(one, other, strict=True))
    scores = logrank_scores(times, seen)
    return scores[: len(one[0])], scores[len(one[0]) :]


def _pseudo_values(times: Floats, seen: npt.NDArray[np.bool_], until: float) -> list[float]:
    """Return n θ - (n - 1) θ₋ᵢ: what each run says of a restricted mean (Andersen 2003)."""
    n = len(times)
    whole = float(restricted_mean(times, seen, until=until))
    if n == 1:
        return [whole]
    left = np.array([np.delete(np.arange(n), i) for i in range(n)])
    without = restricted_mean(times[left], seen[left], until=until)
    return [n * whole - (n - 1) * float(value) for value in without]
