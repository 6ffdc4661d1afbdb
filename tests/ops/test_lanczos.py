import math

import pytest
import torch

from grokscope.ops.curvature import signs
from grokscope.ops.lanczos import Krylov, density, extreme, quadrature


def symmetric(size, values=None, seed=0):
    """Return a symmetric matrix with given eigenvalues, or a random one."""
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(size, size, generator=generator, dtype=torch.float64)
    if values is None:
        return (matrix + matrix.t()) / 2
    basis = torch.linalg.qr(matrix).Q
    return basis @ torch.diag(torch.as_tensor(values, dtype=torch.float64)) @ basis.t()


@pytest.mark.parametrize("seed", range(3))
def test_both_ends_are_those_of_the_dense_solver(seed):
    matrix = symmetric(120, seed=seed)
    values, vectors = torch.linalg.eigh(matrix)
    top, bottom = extreme(lambda v: matrix @ v, 120, top=5, bottom=3)
    torch.testing.assert_close(top.values, values.flip(0)[:5], rtol=1e-10, atol=0)
    torch.testing.assert_close(bottom.values, values[:3], rtol=1e-10, atol=0)
    for end, columns in ((top, vectors.flip(1)[:, :5]), (bottom, vectors[:, :3])):
        overlap = (end.vectors @ columns).abs()
        torch.testing.assert_close(
            overlap, torch.eye(len(overlap), dtype=torch.float64), atol=1e-6, rtol=0
        )
        direct = torch.linalg.vector_norm(
            end.vectors @ matrix - end.values[:, None] * end.vectors, dim=1
        )
        torch.testing.assert_close(end.residuals, direct, rtol=1e-3, atol=1e-13)
        assert (end.residuals <= 1e-7 * end.values.abs()).all()


def test_the_basis_stays_orthonormal_where_plain_lanczos_loses_it():
    """Eigenvalues over twelve decades: without reorthogonalization copies of the top appear."""
    matrix = symmetric(80, torch.logspace(-12, 0, 80))
    krylov = Krylov(lambda v: matrix @ v, torch.ones(80, dtype=torch.float64), 60)
    for _ in range(60):
        krylov.grow()
    gram = krylov.basis @ krylov.basis.t()
    assert (gram - torch.eye(60)).abs().max() < 1e-12


def test_multiple_eigenvalues_and_a_null_space_are_found_as_often_as_they_occur():
    values = [2.0] * 3 + [1.0] * 2 + [0.0] * 10 + [-1.0] * 2
    matrix = symmetric(len(values), values)
    top, bottom = extreme(lambda v: matrix @ v, len(values), top=8, bottom=4)
    expected = torch.tensor([2.0] * 3 + [1.0] * 2 + [0.0] * 3, dtype=torch.float64)
    torch.testing.assert_close(top.values, expected, atol=1e-12, rtol=0)
    expected = torch.tensor([-1.0] * 2 + [0.0] * 2, dtype=torch.float64)
    torch.testing.assert_close(bottom.values, expected, atol=1e-12, rtol=0)


def test_more_pairs_than_there_are_are_all_pairs():
    matrix = symmetric(4)
    top, bottom = extreme(lambda v: matrix @ v, 4, top=9, bottom=9)
    torch.testing.assert_close(top.values.flip(0), torch.linalg.eigvalsh(matrix))
    torch.testing.assert_close(bottom.values, torch.linalg.eigvalsh(matrix))


def test_it_ends_after_the_most_products_with_honest_residuals():
    matrix = symmetric(200)
    top, _ = extreme(lambda v: matrix @ v, 200, top=5, bottom=0, most=12)
    assert top.residuals.max() > 1e-3
    direct = torch.linalg.vector_norm(
        top.vectors @ matrix - top.values[:, None] * top.vectors, dim=1
    )
    torch.testing.assert_close(top.residuals, direct)


def test_the_quadrature_of_one_probe_integrates_polynomials_exactly():
    matrix = symmetric(40)
    probes = signs(40, 3, "a test")
    nodes, weights = quadrature(lambda v: matrix @ v, probes, 6)
    power = torch.eye(40, dtype=torch.float64)
    for degree in range(12):  # 2 · 6 - 1 at most
        found = (weights * nodes**degree).sum(1)
        expected = torch.stack([v @ power @ v for v in probes]) / 40
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
        power = power @ matrix


def test_weights_sum_to_one_and_give_the_trace_over_all_sign_vectors():
    matrix = symmetric(5)
    every = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 5)
    nodes, weights = quadrature(lambda v: matrix @ v, every, 5)
    assert (weights.sum(1) - 1).abs().max() < 1e-12
    mean = (weights * nodes).sum(1).mean()
    torch.testing.assert_close(mean, matrix.trace() / 5)


def test_weights_are_squared_first_components_once():
    """A probe in the plane of two eigenvectors, three to four: shares 9/25 and 16/25."""
    matrix = symmetric(6, [1, 2, 3, 4, 5, 6])
    vectors = torch.linalg.eigh(matrix).eigenvectors
    probe = 3 * vectors[:, 1] + 4 * vectors[:, 4]
    nodes, weights = quadrature(lambda v: matrix @ v, probe[None], 2)
    torch.testing.assert_close(nodes[0], torch.tensor([2.0, 5.0], dtype=torch.float64))
    torch.testing.assert_close(weights[0], torch.tensor([9 / 25, 16 / 25], dtype=torch.float64))


def test_a_density_has_mass_one_and_stands_where_the_eigenvalues_are():
    matrix = symmetric(300)
    values = torch.linalg.eigvalsh(matrix)
    nodes, weights = quadrature(lambda v: matrix @ v, signs(300, 10, "a test"), 60)
    grid = torch.linspace(-40, 40, 4001, dtype=torch.float64)
    found = density(nodes, weights, grid, width=1.0)
    assert abs(torch.trapezoid(found, grid) - 1) < 1e-6
    bells = torch.exp(-((grid[:, None] - values) ** 2) / 2) / math.sqrt(2 * math.pi)
    assert (found - bells.mean(1)).abs().max() < 0.25 * bells.mean(1).max()


def test_a_start_is_fixed_and_progress_is_told():
    matrix, told = symmetric(50), []
    first, _ = extreme(lambda v: matrix @ v, 50, top=2, bottom=0)
    again, _ = extreme(lambda v: matrix @ v, 50, top=2, bottom=0, watch=lambda *x: told.append(x))
    assert torch.equal(first.vectors, again.vectors)
    assert told[-1] == (2, 2)
    told.clear()
    quadrature(lambda v: matrix @ v, signs(50, 2, "a test"), 3, watch=lambda *x: told.append(x))
    assert told == [(done, 6) for done in range(1, 7)]
