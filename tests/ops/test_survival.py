"""Remission times of 42 leukemia patients: Freireich and others, Blood 21 (1963).

The product-limit estimates and the log-rank statistic 16.79 of these data are worked out by hand in
many textbooks, among them Kleinbaum and Klein, Survival Analysis, chapter 2.
"""

import math

import numpy as np
import pytest
from scipy import stats

from grokscope.ops.intervals import median_interval, success_difference, success_interval
from grokscope.ops.resampling import bootstrap_rows, ends, permutation_p
from grokscope.ops.survival import (
    horizon,
    kaplan_meier,
    logrank,
    logrank_scores,
    quantile,
    restricted_mean,
)

# Weeks; + marks patients who were still in remission when last seen.
TREATED = "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+"
PLACEBO = "1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23"
# Published: S after each week with a relapse.
PUBLISHED = {6: 0.8571, 7: 0.8067, 10: 0.7529, 13: 0.6902, 16: 0.6275, 22: 0.5378, 23: 0.4482}


def read(text):
    words = text.split()
    times = np.array([float(word.removesuffix("+")) for word in words])
    return times, np.array([not word.endswith("+") for word in words])


def survival_by_hand(times, seen, at):
    share = 1.0
    for moment in sorted({t for t, s in zip(times, seen, strict=True) if s and t <= at}):
        risk = sum(t >= moment for t in times)
        events = sum(t == moment and s for t, s in zip(times, seen, strict=True))
        share *= 1 - events / risk
    return share


@pytest.fixture(params=range(4))
def sample(request):
    rng = np.random.default_rng(request.param)
    return rng.integers(1, 12, 15).astype(float), rng.random(15) < 0.6


def test_the_published_estimates_are_found():
    curve = kaplan_meier(*read(TREATED))
    found = dict(zip(curve.times.tolist(), curve.survival.tolist(), strict=True))
    assert {week: round(found[week], 4) for week in PUBLISHED} == PUBLISHED


def test_the_published_medians_are_found():
    assert quantile(*read(TREATED)) == 23
    assert quantile(*read(PLACEBO)) == 8


def test_the_published_logrank_statistic_is_found():
    statistic, p = logrank([read(TREATED), read(PLACEBO)])
    assert round(statistic, 2) == 16.79
    assert p < 1e-4


def test_the_curve_is_that_of_the_product(sample):
    curve = kaplan_meier(*sample)
    expected = [survival_by_hand(*sample, at) for at in curve.times]
    assert curve.survival.tolist() == pytest.approx(expected)


def test_a_quantile_is_where_the_curve_falls_below(sample):
    times, seen = sample
    for share in (0.2, 0.37, 0.73):
        below = [t for t in sorted(times) if survival_by_hand(times, seen, t) < 1 - share]
        assert quantile(times, seen, share) == (below[0] if below else math.inf)


@pytest.mark.parametrize("values", [[3, 1, 2], [4, 1, 3, 2], [5, 5], [7], [1, 1, 9, 9]])
def test_without_censoring_the_median_is_the_ordinary_one(values):
    times = np.array(values, dtype=float)
    assert quantile(times, np.ones(len(times), dtype=bool)) == np.median(times)


def test_a_median_that_half_do_not_reach_is_infinite():
    assert quantile(np.array([1.0, 2, 9, 9]), np.array([True, True, False, False])) == math.inf


def test_the_restricted_mean_is_the_area_under_the_curve(sample):
    until = 9.5
    grid = np.arange(0, until, 0.5) + 0.25  # all steps are at whole numbers
    area = sum(survival_by_hand(*sample, at) for at in grid) / 2
    assert restricted_mean(*sample, until=until) == pytest.approx(area)


def test_without_censoring_the_restricted_mean_is_the_mean():
    times = np.array([1.0, 5, 9])
    assert restricted_mean(times, np.ones(3, dtype=bool), until=6.0) == pytest.approx(4.0)


def test_many_samples_at_once_are_each_alone(sample):
    times, seen = sample
    rows = bootstrap_rows(15, draws=20)
    together = (
        quantile(times[rows], seen[rows]),
        restricted_mean(times[rows], seen[rows], until=8.0),
    )
    for number, row in enumerate(rows):
        assert together[0][number] == quantile(times[row], seen[row])
        assert together[1][number] == pytest.approx(
            restricted_mean(times[row], seen[row], until=8.0)
        )


def test_the_horizon_is_the_last_censored_time():
    assert horizon(*read(TREATED)) == 35
    assert horizon(*read(PLACEBO)) == math.inf


def test_the_logrank_test_of_two_samples_is_that_of_scipy(sample):
    times, seen = sample
    parts = [(times[:7], seen[:7]), (times[7:], seen[7:])]
    data = [stats.CensoredData.right_censored(t, ~s) for t, s in parts]
    found = stats.logrank(*data)
    assert logrank(parts) == pytest.approx((found.statistic**2, found.pvalue))


def test_the_logrank_test_of_three_samples_is_that_of_the_loop(sample):
    times, seen = sample
    parts = [(times[i::3], seen[i::3]) for i in range(3)]
    excess, covariance = np.zeros(3), np.zeros((3, 3))
    for at in {t for t, s in zip(times, seen, strict=True) if s}:
        risk = np.array([sum(t >= at for t in part) for part, _ in parts], dtype=float)
        here = np.array([sum((t == at) & s) for t, s in parts], dtype=float)
        n, d = risk.sum(), here.sum()
        excess += here - d * risk / n
        if n > 1:
            spread = d * (n - d) / (n - 1)
            covariance += spread * (np.diag(risk / n) - np.outer(risk, risk) / n**2)
    statistic = excess[:2] @ np.linalg.solve(covariance[:2, :2], excess[:2])
    assert logrank(parts) == pytest.approx((statistic, math.exp(-statistic / 2)))


def test_the_scores_of_a_group_sum_to_observed_minus_expected():
    (times, seen), (others, relapsed) = read(TREATED), read(PLACEBO)
    scores = logrank_scores(np.concatenate([times, others]), np.concatenate([seen, relapsed]))
    # Textbook: 9 relapses among the treated, 19.25 expected.
    assert round(float(scores[:21].sum()), 2) == -10.25
    assert scores.sum() == pytest.approx(0)


def test_a_permutation_test_counts_arrangements():
    assert permutation_p(np.array([1.0, 2, 3]), np.array([4.0, 5, 6])) == pytest.approx(2 / 20)
    assert permutation_p(np.arange(4.0), np.arange(4.0, 8)) == pytest.approx(2 / 70)


def test_ends_are_values_that_occur():
    values = np.array([1.0] * 10 + [math.inf] * 10)
    assert ends(values) == (1.0, math.inf)
    assert ends(np.arange(1.0, 1001)) == pytest.approx((25, 975), abs=1)


@pytest.mark.parametrize(("k", "n"), [(0, 3), (3, 3), (7, 20), (1, 1)])
def test_the_interval_of_a_rate_is_that_of_the_formula(k, n):
    z, p = 1.959964, k / n
    center, reach = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    expected = [(center - reach) / (1 + z * z / n), (center + reach) / (1 + z * z / n)]
    assert success_interval(k, n) == pytest.approx(expected, abs=1e-6)


def test_the_interval_of_a_difference_is_the_published_one():
    # Newcombe 1998, table II, method 10: 56/70 - 48/80 and 10/10 - 0/10.
    assert success_difference((56, 70), (48, 80)) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert success_difference((10, 10), (0, 10)) == pytest.approx((0.6075, 1.0), abs=5e-5)


def test_the_interval_of_a_median_covers_it_as_often_as_the_binomial_says():
    for n, rank in ((5, None), (6, 1), (9, 2), (12, 3)):
        values = [float(value) for value in range(1, n + 1)]
        low, high = median_interval(values, values)
        assert (low, high) == ((-math.inf, math.inf) if rank is None else (rank, n + 1 - rank))
        if rank is not None:
            assert stats.binom.cdf(rank - 1, n, 0.5) <= 0.025 < stats.binom.cdf(rank, n, 0.5)
