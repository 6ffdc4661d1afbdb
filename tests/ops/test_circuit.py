import cmath
import math

import pytest
import torch

from grokscope.ops import circuit, fourier


def noise(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def table(p, sign=1):
    a = torch.arange(p)
    return (a.unsqueeze(1) + sign * a) % p


def ideal(p, amplitudes, sign=1):
    """Return Σ A_k cos(2πk(a ± b - c)/p), one number at a time."""
    logits = torch.zeros(p, p, p, dtype=torch.float64)
    for a in range(p):
        for b in range(p):
            for c in range(p):
                logits[a, b, c] = sum(
                    size * math.cos(2 * math.pi * k * (a + sign * b - c) / p)
                    for k, size in amplitudes.items()
                )
    return logits


@pytest.mark.parametrize(("p", "sign"), [(7, 1), (11, -1)])
def test_ideal_logits_are_their_own_restriction_and_know_nothing_when_excluded(p, sign):
    logits, of_sums = ideal(p, {1: 2.0, 3: 0.5}, sign), table(p, sign)
    kept = circuit.restricted(logits, of_sums, [1, 3])
    assert (kept - logits).abs().max() <= 1e-12
    left = circuit.excluded(logits, of_sums, [1, 3])
    targets = of_sums.flatten()
    for rows in (torch.arange(p * p), torch.arange(0, p * p, 3)):
        assert circuit.loss_of(left, targets, rows) == pytest.approx(math.log(p), abs=1e-12)
    one = circuit.excluded(logits, of_sums, [1])
    assert (one - ideal(p, {3: 0.5}, sign)).abs().max() <= 1e-12
    shares = circuit.sum_shares(logits, of_sums).tolist()
    assert shares == pytest.approx(
        [4 / 4.25 if k == 1 else 0.25 / 4.25 if k == 3 else 0.0 for k in range(1, p // 2 + 1)],
        abs=1e-12,
    )


@pytest.mark.parametrize("p", [5, 6])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_parts_are_inner_products_with_waves_of_the_sum(p, sign):
    logits, of_sums = noise(p, p, 3), table(p, sign)
    keys = range(1, p // 2 + 1)
    for chosen in ([1], [2], list(keys)):
        kept = torch.zeros_like(logits)
        for k in chosen:
            angle = 2 * math.pi * k * of_sums.double() / p
            for wave in (angle.cos(), angle.sin()):
                if wave.norm() > 1e-9:
                    unit = wave / wave.norm()
                    kept += unit.unsqueeze(-1) * (unit.unsqueeze(-1) * logits).sum((0, 1))
        bias = (logits - kept).mean((0, 1))
        assert (circuit.restricted(logits, of_sums, chosen) - kept - bias).abs().max() <= 1e-12
        assert (circuit.excluded(logits, of_sums, chosen) - logits + kept).abs().max() <= 1e-12
    none = circuit.restricted(logits, of_sums, [])
    assert (none - logits.mean((0, 1))).abs().max() <= 1e-12


@pytest.mark.parametrize("p", [5, 6])
def test_energies_by_frequency_are_those_of_the_double_sum(p):
    grid = noise(p, p, 2)
    found = fourier.by_frequencies(grid)
    expected = torch.zeros_like(found)
    for m in range(p):
        for n in range(p):
            turns = [
                [cmath.exp(-2j * math.pi * (m * a + n * b) / p) / p for b in range(p)]
                for a in range(p)
            ]
            for d in range(2):
                wave = sum(turns[a][b] * grid[a, b, d].item() for a in range(p) for b in range(p))
                expected[min(m, p - m), min(n, p - n), d] += abs(wave) ** 2
    assert (found - expected).abs().max() <= 1e-12
    assert found.sum().item() == pytest.approx(grid.square().sum().item())


def test_shares_of_units_of_one_frequency_of_two_and_of_none():
    p = 11
    a = 2 * math.pi * torch.arange(p, dtype=torch.float64) / p
    one = 0.3 + (3 * a + 0.2).cos().unsqueeze(1) + (3 * a).sin() * (3 * a).cos().unsqueeze(1)
    two = (2 * a).cos().unsqueeze(1) + 2 * (5 * a).sin()
    mixed = (a).cos().unsqueeze(1) * (4 * a).cos()
    dead = torch.full((p, p), 0.7, dtype=torch.float64)
    grid = torch.stack([x.expand(p, p) for x in (one, two, mixed, dead)], dim=-1)
    shares = fourier.unit_shares(grid)
    assert shares.shape == (5, 4)
    assert shares[:, 0].tolist() == pytest.approx([0, 0, 1, 0, 0], abs=1e-12)
    assert shares[:, 1].tolist() == pytest.approx([0, 0.2, 0, 0, 0.8], abs=1e-12)
    assert shares[:, 2:].abs().max() <= 1e-12
    assert circuit.carried(shares, share=0.75, least=1) == [3, 5]
    assert circuit.carried(shares, share=0.85, least=1) == [3]
    assert circuit.carried(shares, share=0.75, least=2) == []


def test_chance_is_the_loss_of_a_guess():
    assert circuit.chance(113) == pytest.approx(4.7274, abs=1e-4)
