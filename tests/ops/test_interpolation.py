import numpy as np
import pytest
import torch

from grokscope.ops.interpolation import PANEL, condition, duals, gram, shrink_two_layers
from grokscope.ops.lanes import lanes


def matrix(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("n", [1, 5, PANEL, 2 * PANEL, 3 * PANEL + 17])
def test_the_lower_triangle_is_that_of_the_product(n):
    features = matrix(n, 40)
    expected = np.tril(features.numpy() @ features.numpy().T)
    assert np.abs(np.tril(gram(features).numpy()) - expected).max() <= 1e-12 * n


def test_the_number_of_lanes_changes_no_bit():
    features, answers = matrix(3 * PANEL, 500), matrix(3 * PANEL, 4)
    found = []
    for count in (1, 2, 3):
        with lanes(count):
            found.append(duals(features, answers))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


@pytest.mark.parametrize("n", [4, 2 * PANEL + 3])
def test_duals_solve_the_normal_equations(n):
    features, answers = matrix(n, 2 * n), matrix(n, 3, seed=1)
    h, y = features.numpy(), answers.numpy()
    expected = np.linalg.inv(h @ h.T) @ y
    found = duals(features, answers).numpy()
    assert np.abs(found - expected).max() <= 1e-10 * np.abs(expected).max()
    readout = h.T @ found
    assert np.abs(h @ readout - y).max() <= 1e-10
    smallest = np.linalg.pinv(h) @ y
    assert np.abs(readout - smallest).max() <= 1e-10 * np.abs(smallest).max()


def test_an_impossible_system_gives_no_number():
    features = torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    assert duals(features, matrix(2, 3)).isnan().all()


def test_the_force_is_the_formula_of_the_flow():
    x, first, y = (t.numpy() for t in (matrix(6, 4), matrix(9, 4, seed=1), matrix(6, 3, seed=2)))
    h = np.maximum(x @ first.T, 0)
    a = np.linalg.inv(h @ h.T)
    expected = x.T @ ((a @ y @ y.T @ a @ h) * (h > 0))  # as he writes it, with W₁ [inputs, width]
    features, readout, force = shrink_two_layers(*map(torch.from_numpy, (x, first, y)))
    assert np.abs(features.numpy() - h).max() <= 1e-14
    assert np.abs(readout.numpy() - (h.T @ a @ y).T).max() <= 1e-9
    assert np.abs(force.numpy() - expected.T).max() <= 1e-9 * np.abs(expected).max()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_condition_number_is_that_of_the_gram_matrix(dtype):
    features = matrix(2 * PANEL + 5, 400).to(dtype)
    h = features.double().numpy()
    expected = np.linalg.cond(h @ h.T)
    assert condition(features).item() == pytest.approx(expected, rel=1e-6)


def test_a_singular_system_has_the_largest_condition_number():
    worst = 1 / np.finfo(np.float64).eps
    assert condition(matrix(5, 4)).item() == worst
    assert condition(torch.zeros(3, 7)).item() == worst
    assert condition(torch.ones(3, 7)).item() >= worst / 100
