import math

import pytest
import torch

from grokscope.errors import ScienceError
from grokscope.ops.curvature import signs
from grokscope.ops.lanczos import quadrature
from grokscope.ops.spectrum import (
    entropy,
    shares,
    summarize,
    summarize_quadrature,
)


def symmetric(size):
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(size, size, generator=generator, dtype=torch.float64)
    return (matrix + matrix.t()) / 2


def test_a_summary_counts_what_is_negative_beyond_rounding():
    values = torch.tensor([-2.0, -1e-17, 0.0, 1e-17, 1.0, 3.0], dtype=torch.float64)
    found = summarize(values)
    assert found.negative == 1
    assert found.trace == pytest.approx(2.0)
    expected = -sum(q * math.log(q) for q in (2 / 6, 1 / 6, 3 / 6))
    assert found.entropy == pytest.approx(expected, abs=1e-12)


def test_equal_eigenvalues_have_the_largest_entropy_and_none_has_none():
    assert float(entropy(torch.full((8,), -3.0), None)) == pytest.approx(math.log(8))
    with pytest.raises(ScienceError, match="spectral entropy: every eigenvalue is 0"):
        entropy(torch.zeros(4), None)


def test_the_summary_of_a_full_quadrature_over_all_signs_is_that_of_the_spectrum():
    matrix = symmetric(6)
    every = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 6)
    nodes, weights = quadrature(lambda v: matrix @ v, every, 6)
    found, expected = (
        summarize_quadrature(nodes, weights, 6),
        summarize(torch.linalg.eigvalsh(matrix)),
    )
    assert found.trace == pytest.approx(expected.trace, abs=1e-10)
    # What is left of f(H) beside its diagonal averages to nothing over all sign vectors.
    assert found.negative == pytest.approx(expected.negative, abs=1e-9)
    assert found.entropy == pytest.approx(expected.entropy, abs=1e-9)


def test_a_quadrature_estimates_the_trace():
    matrix = symmetric(80) + 3 * torch.eye(80)
    nodes, weights = quadrature(lambda v: matrix @ v, signs(80, 20, "a test"), 30)
    found = summarize_quadrature(nodes, weights, 80)
    assert found.trace == pytest.approx(float(matrix.trace()), rel=0.1)


def test_shares_are_the_squared_norm_by_part():
    vectors = torch.tensor([[3.0, 0.0, 4.0], [1.0, 1.0, 0.0]])
    expected = torch.tensor([[9 / 25, 16 / 25], [1.0, 0.0]])
    torch.testing.assert_close(shares(vectors, [2, 1]), expected)
