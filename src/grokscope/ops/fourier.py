"""Functions on Z_p and on pairs in Z_p × Z_p, seen as sums of waves."""

import math

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor


def basis(p: int) -> Float[Tensor, "p p"]:
    """Return the orthonormal real Fourier basis of functions on Z_p, one function a row, float64.

    Row 0 is 1/√p, rows 2k-1 and 2k are √(2/p) cos and sin of 2πkx/p for k = 1 … (p-1)/2; an even p
    ends with (-1)^x/√p.
    """
    x = torch.arange(p, dtype=torch.float64)
    rows = [torch.full((p,), 1 / math.sqrt(p), dtype=torch.float64)]
    for k in range(1, (p - 1) // 2 + 1):
        angle = 2 * math.pi * k * x / p
        rows += [math.sqrt(2 / p) * angle.cos(), math.sqrt(2 / p) * angle.sin()]
    if p % 2 == 0:
        rows.append((1 - 2 * (x % 2)) / math.sqrt(p))
    return torch.stack(rows)


def spectrum(table: Float[Tensor, "p d"]) -> Float[Tensor, " frequencies"]:
    """Return the energy of a table in each frequency 0 … p/2, over all columns.

    That of k is Σ_d ⟨cos k, E_d⟩² + ⟨sin k, E_d⟩² in the orthonormal basis; together they are ‖E‖².
    """
    p = len(table)
    energies = torch.fft.rfft(table.double(), dim=0).abs().square().sum(1) / p
    pairs = torch.full_like(energies, 2.0)
    pairs[0] = 1.0
    if p % 2 == 0:
        pairs[-1] = 1.0
    weighted: Tensor = energies * pairs
    return weighted


def waves(table: Float[Tensor, "p d"]) -> Complex[Tensor, "frequencies d"]:
    """Return F_k = (1/p) Σ_j exp(-2πi jk/p) E_j for k = 0 … p/2 (Musat 2025)."""
    means: Tensor = torch.fft.rfft(table.double(), dim=0) / len(table)
    return means


def quadrature(
    of_waves: Complex[Tensor, "frequencies d"],
) -> tuple[Float[Tensor, " frequencies"], Float[Tensor, " frequencies"]]:
    """Return ‖Re F_k‖/‖Im F_k‖ and the cosine between Re F_k and Im F_k.

    1 and 0 say that the table turns symbols around a circle. A Gaussian table of many columns is
    near that already, so both mean something only against their values at the start. NaN where a
    part vanishes, as for k = 0.
    """
    real, imaginary = of_waves.real, of_waves.imag
    sizes = [torch.linalg.vector_norm(part, dim=1) for part in (real, imaginary)]
    return sizes[0] / sizes[1], (real * imaginary).sum(1) / (sizes[0] * sizes[1])


def gini(values: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """Return the Gini coefficient Σ_ij |x_i - x_j| / (2n Σ x): 0 all alike, near 1 a single one."""
    ordered, n = values.double().sort().values, len(values)
    ranks = torch.arange(1, n + 1, dtype=torch.float64, device=values.device)
    return ((2 * ranks - n - 1) * ordered).sum() / (n * ordered.sum())


def inverse_participation(values: Float[Tensor, "*batch p"]) -> Float[Tensor, "*batch"]:
    """Return Σ_k (|F_k|/‖F‖)⁴ over the rfft of the last axis: 1 for one wave, small for noise."""
    energies = torch.fft.rfft(values.double()).abs().square()
    shares = energies / energies.sum(-1, keepdim=True)
    participation: Tensor = shares.square().sum(-1)
    return participation


def energies(grid: Float[Tensor, "p p d"]) -> Float[Tensor, "p p"]:
    """Return the energy of functions on all pairs in each mode (k, l), over all d.

    Mode (k, l) is exp(2πi(ka + lb)/p); the energies sum to ‖x‖². Differentiable.
    """
    transformed = torch.fft.fft2(grid, dim=(0, 1), norm="ortho")
    squares: Tensor = transformed.real.square() + transformed.imag.square()
    return squares.sum(-1)


def wave_numbers(p: int) -> Int[Tensor, " p"]:
    """Return the wave number min(k, p - k) of each index of a transform of length p."""
    k = torch.arange(p)
    return torch.minimum(k, p - k)


def smooth_share(
    of_modes: Float[Tensor, "p p"], *, cutoff: int, zero_mode: bool = False
) -> Float[Tensor, ""]:
    """Return the share of energy in modes whose wave numbers are both at most `cutoff`.

    High means smooth. Without the zero mode the constant part counts neither here nor in the total.
    """
    number = wave_numbers(len(of_modes)).to(of_modes.device)
    within = torch.maximum(number.unsqueeze(0), number.unsqueeze(1)) <= cutoff
    counted = torch.ones_like(of_modes)
    if not zero_mode:
        counted[0, 0] = 0
    kept = of_modes * counted
    return (kept * within).sum() / kept.sum()


def by_frequencies(grid: Float[Tensor, "p p n"]) -> Float[Tensor, "frequencies frequencies n"]:
    """Return the energy of each function on all pairs in {cos k, sin k}(a) × {cos l, sin l}(b).

    k and l count from 0, the constant, to p/2; the energies of a function sum to ‖x‖².
    """
    waves_of = basis(len(grid)).to(grid.device)
    squares = torch.einsum("ia,abn,jb->ijn", waves_of, grid.double(), waves_of).square()
    number = (torch.arange(len(grid), device=grid.device) + 1) // 2
    frequencies = len(grid) // 2 + 1
    rows = squares.new_zeros(frequencies, *squares.shape[1:]).index_add(0, number, squares)
    return rows.new_zeros(frequencies, frequencies, grid.shape[2]).index_add(1, number, rows)


def unit_shares(grid: Float[Tensor, "p p n"]) -> Float[Tensor, "frequencies n"]:
    """Return the share of each unit's variation that is made of one frequency, k = 1 … p/2.

    The energy in {1, cos k, sin k}(a) × {1, cos k, sin k}(b) over that of all but the constant. 0
    for a unit that never changes.
    """
    energies_of = by_frequencies(grid)
    total = energies_of.sum((0, 1)) - energies_of[0, 0]
    alone = energies_of[0, 1:] + energies_of[1:, 0]
    both = energies_of.diagonal()[:, 1:].t()  # the diagonal comes last
    floor = torch.finfo(torch.float32).eps ** 2 * energies_of.sum((0, 1))
    shares = (alone + both) / total
    return torch.where(total > floor, shares, torch.zeros_like(shares))
