import itertools
import math

import pytest
import torch

from grokscope.errors import ConfigError
from grokscope.tasks.parity import Parity


@pytest.mark.parametrize(("n", "k"), [(4, 2), (5, 5), (3, 1)])
def test_all_strings_have_the_sign_of_the_product_of_their_first_bits(n, k):
    dataset = Parity(n=n, k=k, examples=None).dataset()
    expected = [tuple(1.0 - 2.0 * b for b in bits) for bits in itertools.product((0, 1), repeat=n)]
    assert [tuple(row) for row in dataset.inputs.tolist()] == expected
    odd = [int(math.prod(row[:k]) < 0) for row in expected]
    assert dataset.targets.tolist() == odd
    assert dataset.signature.num_features == n


def test_drawn_strings_are_different_balanced_and_answered_right():
    dataset = Parity(n=40, k=3, examples=3000).dataset()
    rows = dataset.inputs.tolist()
    assert len({tuple(row) for row in rows}) == 3000
    assert set(itertools.chain.from_iterable(rows)) == {-1.0, 1.0}
    assert dataset.targets.tolist() == [int(math.prod(row[:3]) < 0) for row in rows]
    assert dataset.inputs.mean(0).abs().max() < 5 / math.sqrt(3000)  # five standard errors
    assert abs(dataset.targets.double().mean() - 0.5) < 2.5 / math.sqrt(3000)


def test_a_sample_of_all_is_a_permutation_of_all():
    drawn = Parity(n=5, k=2, examples=32).dataset().inputs.tolist()
    assert sorted(drawn) == sorted(Parity(n=5, k=2, examples=None).dataset().inputs.tolist())


def test_another_draw_is_another_sample():
    one, other = (Parity(n=20, examples=50, draw=draw).dataset().inputs for draw in (0, 1))
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"n": 4, "k": 5, "examples": None}, r"^k: 5 of 4 bits cannot count$"),
        ({"n": 30, "examples": None}, r"^examples: all 2\^30 are too many; give a number$"),
        ({"n": 4, "k": 2, "examples": 17}, r"^examples: there are only 16 strings of length 4"),
    ],
)
def test_what_cannot_be_is_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        Parity(**fields)
