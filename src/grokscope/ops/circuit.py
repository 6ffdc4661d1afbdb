"""What of the logits is waves of the answer: projections, restricted and excluded logits.

With s = ±a ± b mod p (`tasks.grid.sums`), a network that has found the rule answers
Σ_k A_k cos(2πk(s - c)/p). Nanda et al. (2023) keep or take away the waves of a few k.
"""

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.ops import fourier


def along_sums(
    logits: Float[Tensor, "p p classes"], sums: Int[Tensor, "p p"]
) -> Float[Tensor, "p classes"]:
    """Return the mean logits of the p pairs of each sum, float64."""
    p = len(logits)
    zeros = torch.zeros(p, logits.shape[-1], dtype=torch.float64, device=logits.device)
    rows = sums.flatten().to(logits.device)
    return zeros.index_add(0, rows, logits.reshape(p * p, -1).double()) / p


def projector(p: int, frequencies: Iterable[int]) -> Float[Tensor, "p p"]:
    """Return the matrix that projects functions on Z_p on cos and sin of these frequencies."""
    rows = fourier.basis(p)
    kept = [row for k in frequencies for row in (2 * k - 1, 2 * k) if row < p]
    return rows[kept].t() @ rows[kept]


def waves_of_sums(
    logits: Float[Tensor, "p p classes"], sums: Int[Tensor, "p p"], frequencies: Iterable[int]
) -> Float[Tensor, "p p classes"]:
    """Return Σ_k P_k L: the part of the logits that is cos and sin of 2πks/p, float64."""
    means = along_sums(logits, sums)
    projected: Tensor = projector(len(logits), frequencies).to(logits.device) @ means
    return projected[sums.to(logits.device)]


def restricted(
    logits: Float[Tensor, "p p classes"], sums: Int[Tensor, "p p"], frequencies: Iterable[int]
) -> Float[Tensor, "p p classes"]:
    """Return Σ_k P_k L plus a bias, the mean over all pairs of what it leaves out."""
    kept = waves_of_sums(logits, sums, frequencies)
    return kept + (logits - kept).mean((0, 1))


def excluded(
    logits: Float[Tensor, "p p classes"], sums: Int[Tensor, "p p"], frequencies: Iterable[int]
) -> Float[Tensor, "p p classes"]:
    """Return L - Σ_k P_k L: what is left without these frequencies."""
    return logits.double() - waves_of_sums(logits, sums, frequencies)


def sum_shares(
    logits: Float[Tensor, "p p classes"], sums: Int[Tensor, "p p"]
) -> Float[Tensor, " frequencies"]:
    """Return ‖P_k L‖² over the energy of L without its mean over pairs, for k = 1 … p/2."""
    centered = logits.double() - logits.double().mean((0, 1))
    energies = fourier.spectrum(along_sums(centered, sums))[1:] * len(logits)
    shares: Tensor = energies / centered.square().sum()
    return shares


def carried(shares: Float[Tensor, "frequencies n"], *, share: float, least: int) -> list[int]:
    """Return the frequencies that are at least `share` of at least `least` units, ascending.

    A unit counts for its largest frequency alone; row i of `shares` is that of k = i + 1.
    """
    best = shares.max(0)
    counts = torch.bincount(best.indices[best.values >= share], minlength=len(shares))
    return (torch.nonzero(counts >= max(least, 1)).flatten() + 1).tolist()


def loss_of(
    logits: Float[Tensor, "p p classes"], targets: Int[Tensor, " n"], rows: Int[Tensor, " m"]
) -> float:
    """Return the mean cross-entropy in nats over some of all pairs, in float64."""
    some = logits.reshape(len(targets), -1)[rows.to(logits.device)].double()
    return float(F.cross_entropy(some, targets[rows].to(logits.device)))


def chance(classes: int) -> float:
    """Return the loss of an answer that knows nothing, ln of the number of classes."""
    return math.log(classes)
