import math

import pytest
from scipy import stats

from grokscope.ops.intervals import mean_interval, student_quantile


@pytest.mark.parametrize("degrees", [1, 2, 4, 9, 30, 200])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_the_quantile_is_that_of_scipy(degrees, level):
    expected = stats.t.ppf((1 + level) / 2, degrees)
    assert student_quantile(level, degrees) == pytest.approx(expected, rel=1e-6)


def test_the_interval_of_a_mean_is_that_of_scipy():
    values = [3.1, 2.4, 2.9, 3.6, 2.2]
    mean, low, high = mean_interval(values)
    expected = stats.t.interval(0.95, 4, loc=sum(values) / 5, scale=stats.sem(values))
    assert mean == pytest.approx(2.84, rel=1e-12)
    assert (low, high) == pytest.approx(expected, rel=1e-6)


def test_one_value_says_nothing_of_its_spread():
    assert mean_interval([2.0]) == (2.0, -math.inf, math.inf)
