import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grokscope.ops.crossings import first, strict, sustained

LEVEL = 0.95

levels = st.sampled_from([0.0, 0.5, 0.94, 0.95, 0.96, 1.0, math.nan])
curves = st.lists(levels, max_size=12)


def steps_of(values):
    return [7 + 10 * i for i in range(len(values))]


def naive_first(values):
    for i, value in enumerate(values):
        if value >= LEVEL:
            return 7 + 10 * i
    return None


def naive_sustained(values, k):
    for i in range(len(values)):
        following = [values[j] for j in range(i, i + k) if j < len(values)]
        if len(following) == k and all(value >= LEVEL for value in following):
            return 7 + 10 * i
    return None


def naive_strict(values):
    for i in range(len(values)):
        if all(value >= LEVEL for value in values[i:]):
            return 7 + 10 * i
    return None


@given(curves)
@settings(max_examples=60, deadline=None)
def test_first_is_what_a_loop_finds(values):
    assert first(steps_of(values), values, LEVEL) == naive_first(values)


@given(curves, st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_sustained_is_what_a_loop_finds(values, k):
    assert sustained(steps_of(values), values, LEVEL, k=k) == naive_sustained(values, k)


@given(curves)
@settings(max_examples=60, deadline=None)
def test_strict_is_what_a_loop_finds(values):
    assert strict(steps_of(values), values, LEVEL) == naive_strict(values)


@given(curves)
@settings(max_examples=60, deadline=None)
def test_the_three_crossings_are_ordered(values):
    steps = steps_of(values)
    at_first, at_sustained = first(steps, values, LEVEL), sustained(steps, values, LEVEL)
    at_strict = strict(steps, values, LEVEL)
    if at_sustained is not None:
        assert at_first is not None
        assert at_first <= at_sustained
    if at_strict is not None:
        assert at_first is not None
        assert at_first <= at_strict


def test_three_in_a_row_is_the_default():
    values = [1.0, 1.0, 0.0, 1.0, 1.0, 1.0]
    assert sustained(steps_of(values), values, LEVEL) == 37


@pytest.mark.parametrize("crossing", [first, sustained, strict])
def test_nothing_crosses_in_an_empty_or_low_curve(crossing):
    assert crossing([], [], LEVEL) is None
    assert crossing([0, 10, 20, 30], [0.0, 0.5, 0.9, 0.94], LEVEL) is None


def test_the_level_itself_counts_as_reached():
    assert first([0], [LEVEL], LEVEL) == 0
    assert strict([0], [LEVEL], LEVEL) == 0


def test_a_last_evaluation_below_undoes_the_strict_crossing_only():
    values = [1.0, 1.0, 1.0, 0.0]
    assert first(steps_of(values), values, LEVEL) == 7
    assert sustained(steps_of(values), values, LEVEL) == 7
    assert strict(steps_of(values), values, LEVEL) is None


def test_a_crossing_is_a_plain_integer():
    assert type(first([5], [1.0], LEVEL)) is int
    assert type(sustained([5, 6, 7], [1.0, 1.0, 1.0], LEVEL)) is int
    assert type(strict([5], [1.0], LEVEL)) is int
