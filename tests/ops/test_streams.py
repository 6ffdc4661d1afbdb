import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from grokscope.ops.streams import integers, normals, permutation, stream, uniforms

seeds = st.integers(0, 2**63 - 1)

GOLDEN_RAW = [16309853820521165643, 6470414357761767104, 16266468580317908018]
GOLDEN_PERMUTATION = [4, 6, 3, 1, 9, 8, 5, 7, 2, 0]
GOLDEN_INTEGERS = [92, 36, 1, 96, 93, 17, 0, 69]
GOLDEN_UNIFORMS = [0.8041749882146955, 0.7730453498653499]


def test_equal_keys_give_equal_draws():
    first, second = stream(3, "split", 5), stream(3, "split", 5)
    assert np.array_equal(first.bit_generator.random_raw(50), second.bit_generator.random_raw(50))


@pytest.mark.parametrize("other", [(4, "split", 5), (3, "order", 5), (3, "split", 6)])
def test_another_seed_name_or_counter_gives_other_draws(other):
    ours = stream(3, "split", 5).bit_generator.random_raw(1000)
    theirs = stream(*other).bit_generator.random_raw(1000)
    assert not set(ours.tolist()) & set(theirs.tolist())


def test_streams_of_neighboring_counters_do_not_overlap():
    draws = [stream(0, "order", counter).bit_generator.random_raw(2000) for counter in range(8)]
    assert len(set(np.concatenate(draws).tolist())) == 16_000


@pytest.mark.parametrize("other", [(1, "a", 0), (0, "b", 0), (0, "a", 1)])
def test_streams_are_uncorrelated(other):
    x = uniforms(stream(0, "a"), 20_000) - 0.5
    y = uniforms(stream(*other), 20_000) - 0.5
    correlation = (x * y).mean() * 12
    assert abs(correlation) < 5 / np.sqrt(20_000)


def test_a_stream_continues_where_it_stood():
    rng = stream(1, "a")
    parts = np.concatenate([uniforms(rng, 8), uniforms(rng, 8)])
    assert np.array_equal(parts, uniforms(stream(1, "a"), 16))


def test_a_stream_is_the_same_on_every_machine():
    raw = stream(42, "split").bit_generator.random_raw(3)
    assert raw.tolist() == GOLDEN_RAW
    assert permutation(stream(42, "split"), 10).tolist() == GOLDEN_PERMUTATION
    assert integers(stream(42, "label noise", 7), 8, 113).tolist() == GOLDEN_INTEGERS
    assert uniforms(stream(42, "init/embed.weight"), 2).tolist() == GOLDEN_UNIFORMS


@given(seeds, st.integers(0, 60))
@settings(max_examples=50, deadline=None)
def test_a_permutation_has_every_number_once(seed, n):
    assert sorted(permutation(stream(seed, "split"), n).tolist()) == list(range(n))


def test_every_permutation_of_three_is_as_likely():
    counts = {}
    for seed in range(3000):
        order = tuple(permutation(stream(seed, "split"), 3).tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 6
    assert all(abs(count - 500) < 5 * np.sqrt(500 * 5 / 6) for count in counts.values())


@given(seeds, st.integers(1, 200))
@settings(max_examples=50, deadline=None)
def test_integers_stay_below_their_bound(seed, high):
    draws = integers(stream(seed, "x"), 100, high)
    assert draws.min() >= 0
    assert draws.max() < high


def test_integers_are_uniform():
    counts = np.bincount(integers(stream(0, "x"), 50_000, 5), minlength=5)
    assert np.all(np.abs(counts - 10_000) < 5 * np.sqrt(50_000 * 0.2 * 0.8))


@given(seeds)
@settings(max_examples=50, deadline=None)
def test_uniforms_lie_inside_the_open_unit_interval(seed):
    draws = uniforms(stream(seed, "x"), 100)
    assert draws.min() > 0
    assert draws.max() < 1


def test_uniforms_have_the_moments_of_the_uniform_law():
    draws = uniforms(stream(0, "x"), 50_000)
    assert abs(draws.mean() - 0.5) < 5 * np.sqrt(1 / 12 / 50_000)
    assert abs(draws.var() - 1 / 12) < 0.002


def test_uniforms_are_centers_of_cells_of_52_bits():
    raw = stream(9, "x").bit_generator.random_raw(20)
    expected = [(2 * (int(draw) >> 12) + 1) / 2**53 for draw in raw]
    assert uniforms(stream(9, "x"), 20).tolist() == expected


def test_normals_invert_the_distribution_function_of_the_uniforms():
    found = normals(stream(9, "x"), 5000)
    expected = scipy.stats.norm.ppf(uniforms(stream(9, "x"), 5000))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert scipy.stats.kstest(found, "norm").pvalue > 1e-3
