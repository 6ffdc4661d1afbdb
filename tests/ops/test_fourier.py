import cmath
import math

import numpy as np
import pytest
import torch

from grokscope.ops import fourier


def noise(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("p", [2, 3, 6, 7, 12])
def test_the_basis_is_orthonormal_and_made_of_waves(p):
    rows = fourier.basis(p)
    assert (rows @ rows.t() - torch.eye(p, dtype=torch.float64)).abs().max() <= 1e-14
    for x in range(p):
        assert rows[0, x].item() == pytest.approx(1 / math.sqrt(p))
        for k in range(1, (p - 1) // 2 + 1):
            angle = 2 * math.pi * k * x / p
            assert rows[2 * k - 1, x].item() == pytest.approx(math.sqrt(2 / p) * math.cos(angle))
            expected = math.sqrt(2 / p) * math.sin(angle)
            assert rows[2 * k, x].item() == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("p", [7, 8])
def test_the_spectrum_is_energy_in_the_basis(p):
    table = noise(p, 5)
    coefficients = (fourier.basis(p) @ table).square().sum(1).tolist()
    expected = [coefficients[0]]
    expected += [sum(coefficients[2 * k - 1 : 2 * k + 1]) for k in range(1, (p - 1) // 2 + 1)]
    expected += coefficients[-1:] if p % 2 == 0 else []
    assert fourier.spectrum(table).tolist() == pytest.approx(expected, rel=1e-12)
    assert fourier.spectrum(table).sum().item() == pytest.approx(table.square().sum().item())


def test_waves_are_the_sum_they_say():
    table = noise(5, 3)
    for k, row in enumerate(fourier.waves(table).tolist()):
        for d, value in enumerate(row):
            expected = sum(
                cmath.exp(-2j * math.pi * j * k / 5) * table[j, d].item() / 5 for j in range(5)
            )
            assert value == pytest.approx(expected, abs=1e-15)


def test_quadrature_of_a_circle_an_ellipse_and_a_line():
    x = 2 * math.pi * torch.arange(11, dtype=torch.float64) / 11
    circle = torch.stack([x.cos(), x.sin()], dim=1)
    ratios, cosines = fourier.quadrature(fourier.waves(circle))
    assert ratios[1].item() == pytest.approx(1.0)
    assert cosines[1].item() == pytest.approx(0.0, abs=1e-14)
    ratios, cosines = fourier.quadrature(fourier.waves(circle * torch.tensor([3.0, 1.0])))
    assert ratios[1].item() == pytest.approx(3.0)
    turned = circle @ torch.tensor([[3.0, 3.0], [1.0, -1.0]], dtype=torch.float64)
    _, cosines = fourier.quadrature(fourier.waves(turned))
    assert abs(cosines[1].item()) == pytest.approx(0.0, abs=1e-14)
    slanted = torch.stack([(x - 0.7).cos(), 2 * x.cos()], dim=1)
    real = np.array([math.cos(0.7), 2.0])
    imaginary = np.array([-math.sin(0.7), 0.0])
    expected = real @ imaginary / np.linalg.norm(real) / np.linalg.norm(imaginary)
    ratios, cosines = fourier.quadrature(fourier.waves(slanted))
    assert cosines[1].item() == pytest.approx(expected)
    assert ratios[1].item() == pytest.approx(np.linalg.norm(real) / np.linalg.norm(imaginary))
    assert ratios[0].isinf() or ratios[0].isnan()


def test_gini_of_known_values():
    assert fourier.gini(torch.eye(8, dtype=torch.float64)[3]).item() == pytest.approx(7 / 8)
    assert fourier.gini(torch.full((9,), 2.5)).item() == pytest.approx(0.0, abs=1e-15)
    x = noise(13).abs()
    pairs = sum(abs(a - b) for a in x.tolist() for b in x.tolist())
    assert fourier.gini(x).item() == pytest.approx(pairs / (2 * 13 * x.sum().item()), rel=1e-12)


def test_inverse_participation_of_a_wave_and_of_noise():
    x = torch.arange(97, dtype=torch.float64)
    wave = (2 * math.pi * 5 * x / 97 + 0.4).cos()
    assert fourier.inverse_participation(wave).item() == pytest.approx(1.0, rel=1e-12)
    mean = fourier.inverse_participation(noise(20_000, 97)).mean().item()
    assert mean == pytest.approx(0.0405, abs=0.0005)


def test_energies_are_those_of_the_double_sum():
    p, grid = 5, noise(5, 5, 2)
    found = fourier.energies(grid)
    for k in range(p):
        for m in range(p):
            total = 0.0
            for d in range(2):
                coefficient = sum(
                    grid[a, b, d].item() * cmath.exp(-2j * math.pi * (k * a + m * b) / p) / p
                    for a in range(p)
                    for b in range(p)
                )
                total += abs(coefficient) ** 2
            assert found[k, m].item() == pytest.approx(total, rel=1e-10)


@pytest.mark.parametrize(("k", "m"), [(1, 0), (2, 2), (3, 1), (0, 3)])
def test_a_single_mode_is_smooth_or_not(k, m):
    p = 7
    a = torch.arange(p, dtype=torch.float64)
    mode = (2 * math.pi * (k * a.unsqueeze(1) + m * a) / p).cos().unsqueeze(-1)
    of_modes = fourier.energies(mode)
    for cutoff in range(4):
        expected = float(max(k, m) <= cutoff)
        share = fourier.smooth_share(of_modes, cutoff=cutoff).item()
        assert share == pytest.approx(expected, abs=1e-14)


def test_the_constant_part_counts_where_it_is_told_to():
    p = 5
    a = torch.arange(p, dtype=torch.float64)
    mode = (2 * math.pi * 2 * a / p).cos().expand(p, p).unsqueeze(-1)
    of_modes = fourier.energies(mode + 1)  # the wave has energy 25/2, the constant 25
    assert fourier.smooth_share(of_modes, cutoff=1).item() == pytest.approx(0.0, abs=1e-14)
    with_zero = fourier.smooth_share(of_modes, cutoff=1, zero_mode=True).item()
    assert with_zero == pytest.approx(2 / 3)
