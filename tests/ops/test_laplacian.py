import math

import numpy as np
import pytest
import torch

from grokscope.errors import ConfigError
from grokscope.ops import laplacian
from grokscope.ops.fourier import energies


def dense(p):
    """Return I - A/4 of the torus, one edge at a time; pair (a, b) is row a·p + b."""
    adjacency = np.zeros((p * p, p * p))
    for a in range(p):
        for b in range(p):
            for c, d in ((a + 1, b), (a - 1, b), (a, b + 1), (a, b - 1)):
                adjacency[a * p + b, (c % p) * p + d % p] += 1
    return np.eye(p * p) - adjacency / 4


def noise(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def mode(p, k, m, phase=0.3):
    a = torch.arange(p, dtype=torch.float64)
    return (2 * math.pi * (k * a.unsqueeze(1) + m * a) / p + phase).cos().unsqueeze(-1)


@pytest.mark.parametrize("p", [3, 4, 7])
def test_eigenvalues_are_those_of_the_matrix(p):
    expected = np.sort(np.linalg.eigvalsh(dense(p)))
    found = np.sort(laplacian.eigenvalues(p).flatten().numpy())
    assert np.abs(found - expected).max() <= 1e-10


@pytest.mark.parametrize("p", [2, 7])
def test_the_energy_is_that_of_the_matrix_and_of_the_transform(p):
    grid = noise(p, p, 3)
    columns = grid.reshape(p * p, 3).numpy()
    expected = float(np.trace(columns.T @ dense(p) @ columns))
    found = laplacian.dirichlet_energy(grid).item()
    by_modes = (laplacian.eigenvalues(p) * energies(grid)).sum().item()
    assert found == pytest.approx(expected, abs=1e-10)
    assert by_modes == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(("k", "m"), [(0, 0), (1, 0), (1, 1), (3, 2), (5, 6)])
def test_the_share_of_a_single_mode_is_nothing_or_all(k, m):
    p = 7
    of_modes, own = energies(mode(p, k, m)), laplacian.eigenvalues(p)[k, m].item()
    for cutoff in (0.0, own - 1e-6, own, own + 1e-6, 2.0):
        low = laplacian.band(p, cutoff=cutoff)
        share = laplacian.low_share(of_modes, low).item()
        assert share == pytest.approx(float(own <= cutoff + 1e-9), abs=1e-13)


def test_shares_by_dense_eigenvectors():
    p, grid = 7, noise(7, 7, 4)
    values, vectors = np.linalg.eigh(dense(p))
    squares = (vectors.T @ grid.reshape(p * p, 4).numpy()) ** 2
    for cutoff in (0.0, 0.2, 0.5, 1.0, 1.7):
        expected = squares[values <= cutoff + 1e-9].sum() / squares.sum()
        low = laplacian.band(p, cutoff=cutoff)
        found = laplacian.low_share(energies(grid), low).item()
        assert found == pytest.approx(expected, abs=1e-10)
        without = squares[1:][values[1:] <= cutoff + 1e-9].sum() / squares[1:].sum()
        low = laplacian.band(p, cutoff=cutoff, zero_mode=False)
        found = laplacian.low_share(energies(grid), low, zero_mode=False).item()
        assert found == pytest.approx(without, abs=1e-10)


def test_bands_by_count_and_fraction_keep_equal_modes_together():
    p = 7
    sizes = [int(laplacian.band(p, count=count).sum()) for count in (0, 1, 2, 5, 6, 49)]
    assert sizes == [0, 1, 5, 5, 9, 49]  # λ grows over (0,0), four (±1,0), four (±1,±1), …
    without = [int(laplacian.band(p, count=c, zero_mode=False).sum()) for c in (0, 1, 4, 5, 48)]
    assert without == [0, 4, 4, 8, 48]
    assert torch.equal(laplacian.band(p, fraction=5 / 49), laplacian.band(p, count=5))
    assert bool(laplacian.band(p, fraction=1.0).all())
    for low in (laplacian.band(p, count=10), laplacian.band(p, cutoff=0.7)):
        flipped = torch.roll(low.flip(0, 1), (1, 1), (0, 1))
        assert torch.equal(low, low.t())
        assert torch.equal(low, flipped)


@pytest.mark.parametrize("asked", [{}, {"count": 3, "cutoff": 0.5}])
def test_a_band_is_asked_for_in_one_way(asked):
    with pytest.raises(ConfigError, match=r"^band: give one of fraction, count and cutoff$"):
        laplacian.band(7, **asked)


def test_entropy_of_one_mode_of_all_and_by_hand():
    flat = torch.ones(5, 5, dtype=torch.float64)
    assert laplacian.spectral_entropy(flat).item() == pytest.approx(1.0)
    assert laplacian.spectral_entropy(flat, zero_mode=False).item() == pytest.approx(1.0)
    one = torch.zeros(5, 5, dtype=torch.float64)
    one[2, 1] = 3.0
    assert laplacian.spectral_entropy(one).item() == pytest.approx(0.0, abs=1e-15)
    one[0, 0] = 1.0
    expected = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(25)
    assert laplacian.spectral_entropy(one).item() == pytest.approx(expected)
    assert laplacian.spectral_entropy(one, zero_mode=False).item() == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize(("p", "k"), [(7, 3), (7, 6), (9, 4)])
def test_relabeling_energies_is_relabeling_the_function(p, k):
    grid = noise(p, p, 2)
    index = torch.arange(p) * k % p
    expected = energies(grid[index][:, index])
    assert (laplacian.relabeled(energies(grid), k) - expected).abs().max() <= 1e-12


def test_a_circuit_at_any_frequency_is_smooth_after_relabeling():
    p = 11
    low = laplacian.band(p, cutoff=laplacian.eigenvalues(p)[1, 1].item())
    for frequency in range(1, p):
        of_modes = energies(mode(p, frequency, frequency))
        share, k = laplacian.best_low_share(of_modes, low)
        assert share.item() == pytest.approx(1.0)
        assert k * frequency % p in (1, p - 1)
        plain = laplacian.low_share(of_modes, low).item()
        assert plain == pytest.approx(float(frequency in (1, p - 1)), abs=1e-12)
