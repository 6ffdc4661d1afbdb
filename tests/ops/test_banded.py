import math

import pytest
import torch

from grokscope.ops import banded
from grokscope.ops.banded import eigenvalues, to_band


def symmetric(size, seed=0):
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(size, size, generator=generator, dtype=torch.float64)
    return (matrix + matrix.t()) / 2


def dense(band):
    """Return the symmetric matrix of a band."""
    matrix = torch.zeros(band.shape[1], band.shape[1], dtype=band.dtype)
    for i, row in enumerate(band[: band.shape[1]]):
        part = torch.diag(row[: band.shape[1] - i], -i)
        matrix += part if i == 0 else part + part.t()
    return matrix


@pytest.mark.parametrize("size", [1, 5, 12, 13, 37, 60])
@pytest.mark.parametrize("width", [1, 4, 12])
@pytest.mark.parametrize("block", [7, 1024])
def test_the_band_has_the_eigenvalues_of_the_matrix(monkeypatch, size, width, block):
    monkeypatch.setattr(banded, "BLOCK", block)
    matrix = symmetric(size)
    expected = torch.linalg.eigvalsh(matrix)
    found = torch.linalg.eigvalsh(dense(to_band(matrix.clone(), width)))
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)


def test_large_matrices_and_small_ones_have_the_eigenvalues_of_the_other_library(monkeypatch):
    matrix = symmetric(200)
    expected = torch.linalg.eigvalsh(matrix)
    torch.testing.assert_close(eigenvalues(matrix.clone()), expected, atol=1e-11, rtol=0)
    monkeypatch.setattr(banded, "LEAST", 10)
    torch.testing.assert_close(eigenvalues(matrix.clone()), expected, atol=1e-11, rtol=0)


@pytest.mark.parametrize("least", [10, 1000])
def test_all_eigenvalues_are_the_closed_form_of_a_path(monkeypatch, least):
    """2 - 2 cos(πk/(n + 1)): most columns need no reflection at all."""
    monkeypatch.setattr(banded, "LEAST", least)
    n = 80
    beside = torch.diag(torch.ones(n - 1, dtype=torch.float64), 1)
    matrix = 2 * torch.eye(n, dtype=torch.float64) - beside - beside.t()
    expected = [2 - 2 * math.cos(math.pi * k / (n + 1)) for k in range(1, n + 1)]
    torch.testing.assert_close(
        eigenvalues(matrix), torch.tensor(expected, dtype=torch.float64), atol=1e-13, rtol=0
    )


def test_a_null_space_stays_one(monkeypatch):
    monkeypatch.setattr(banded, "LEAST", 10)
    half = symmetric(90)[:, :20]
    matrix = half @ half.t()
    found = eigenvalues(matrix.clone())
    assert (found[:70].abs() < 1e-12 * found[-1]).all()
    torch.testing.assert_close(found[70:], torch.linalg.eigvalsh(half.t() @ half))
