"""What chance alone does: bootstrap samples and permutation tests, with fixed seeds."""

import math

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Int

DRAWS = 2000
PERMUTATIONS = 9999
SEED = 0


def bootstrap_rows(n: int, *, stream: int = 0, draws: int = DRAWS) -> Int[np.ndarray, "draws n"]:
    """Return `draws` samples of n out of n members with replacement; one stream a sample."""
    rng = np.random.default_rng([SEED, stream])
    return rng.integers(0, n, size=(draws, n))


def ends(
    values: Float[np.ndarray, " draws"], level: float = 0.95, *, upper: npt.ArrayLike | None = None
) -> tuple[float, float]:
    """Return the ends of the percentile interval of bootstrap values, which may be infinite.

    upper: where each value is only known to lie between `values` and `upper`, the upper ends. The
    quantiles are values that occur, because none lies between a number and infinity.
    """
    highest = values if upper is None else np.asarray(upper)
    tail = (1 - level) / 2
    low = np.quantile(values, tail, method="inverted_cdf")
    high = np.quantile(highest, 1 - tail, method="inverted_cdf")
    return float(low), float(high)


def permutation_p(one: Float[np.ndarray, " n"], other: Float[np.ndarray, " m"]) -> float:
    """Return the two-sided p of the difference of means when members change groups by chance.

    All arrangements where there are at most 9,999, else as many at random.
    """
    from scipy import stats  # noqa: PLC0415 - takes a second to load

    found = stats.permutation_test(
        (one, other),
        lambda x, y, axis: x.mean(axis) - y.mean(axis),
        vectorized=True,
        n_resamples=PERMUTATIONS,
        rng=np.random.default_rng(SEED),
    )
    return float(found.pvalue)


def least_p(n: int, m: int) -> float:
    """Return the smallest two-sided p a permutation test of n against m members can have.

    >>> least_p(3, 3)
    0.1
    """
    return min(1.0, 2 / math.comb(n + m, n))
