"""The torus C_p □ C_p of all pairs: how smooth a function of (a, b) is.

The normalized Laplacian is I - A/4 with A the adjacency matrix: each pair has four neighbors
(a±1, b) and (a, b±1). Its eigenvectors are the modes of the 2-D Fourier transform, so nothing
here needs a matrix.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grokscope.errors import ConfigError


def eigenvalues(p: int) -> Float[Tensor, "p p"]:
    """Return 1 - (cos 2πk/p + cos 2πl/p)/2 for each mode (k, l), float64: 0 constant, 2 largest."""
    cosines = torch.cos(2 * math.pi * torch.arange(p, dtype=torch.float64) / p)
    return 1 - (cosines.unsqueeze(1) + cosines.unsqueeze(0)) / 2


def dirichlet_energy(grid: Float[Tensor, "p p *d"]) -> Float[Tensor, ""]:
    """Return Σ_kl λ_kl |F_kl|² = xᵀ(I - A/4)x of functions on all pairs, summed over the rest.

    Computed as ¼ Σ (x_u - x_v)² over the edges of the torus: the same number, without a transform.
    """
    along = [(grid - grid.roll(1, axis)).square().sum() for axis in (0, 1)]
    return torch.stack(along).sum() / 4


def band(
    p: int,
    *,
    fraction: float | None = None,
    count: int | None = None,
    cutoff: float | None = None,
    zero_mode: bool = True,
) -> Bool[Tensor, "p p"]:
    """Return which modes are low: a `fraction` or `count` of all, or eigenvalues up to a `cutoff`.

    Modes of equal eigenvalue are taken together, so a band may hold a few more than asked for and
    is the same for (k, l), (l, k) and their conjugates. Without the zero mode it is neither in the
    band nor among the modes counted. Raises ConfigError unless exactly one of the three is given.
    """
    if sum(x is not None for x in (fraction, count, cutoff)) != 1:
        raise ConfigError("band: give one of fraction, count and cutoff")
    # Rounded, so that eigenvalues that are equal on paper are equal here.
    values = eigenvalues(p).mul(1e12).round().div(1e12)
    if cutoff is not None:
        low = values <= cutoff + 1e-12
    else:
        ordered = values.flatten().sort().values[0 if zero_mode else 1 :]
        asked = count if fraction is None else math.ceil(fraction * len(ordered) - 1e-9)
        asked = max(0, min(int(asked or 0), len(ordered)))
        low = values <= ordered[asked - 1] if asked else torch.zeros_like(values, dtype=torch.bool)
    if not zero_mode:
        low[0, 0] = False
    return low


def low_share(
    of_modes: Float[Tensor, "p p"], low: Bool[Tensor, "p p"], *, zero_mode: bool = True
) -> Float[Tensor, ""]:
    """Return the energy in a band over the total; NaN where there is no energy."""
    kept = _counted(of_modes, zero_mode=zero_mode)
    return (kept * low).sum() / kept.sum()


def spectral_entropy(
    of_modes: Float[Tensor, "p p"], *, zero_mode: bool = True
) -> Float[Tensor, ""]:
    """Return -Σ q ln q over the shares of the modes, over the ln of their number: 0 one, 1 all."""
    kept = _counted(of_modes, zero_mode=zero_mode)
    shares = kept / kept.sum()
    entropy: Tensor = torch.special.entr(shares).sum()
    return entropy / math.log(kept.numel() - (not zero_mode))


def relabeled(of_modes: Float[Tensor, "p p"], k: int) -> Float[Tensor, "p p"]:
    """Return the energies of x(ka, kb), given those of x(a, b), for a unit k modulo p.

    Relabeling only permutes modes: the new (m, n) is the old (m/k, n/k).
    """
    p = len(of_modes)
    index = torch.arange(p, device=of_modes.device) * pow(k, -1, p) % p
    return of_modes[index][:, index]


def best_low_share(
    of_modes: Float[Tensor, "p p"], low: Bool[Tensor, "p p"], *, zero_mode: bool = True
) -> tuple[Float[Tensor, ""], int]:
    """Return the largest low share over all relabelings a → ka, and its k.

    A network may use any frequency k; what it computes is smooth after the right relabeling.
    """
    p = len(of_modes)
    units = [k for k in range(1, p // 2 + 1) if math.gcd(k, p) == 1]  # k and -k are alike
    shares = torch.stack(
        [low_share(relabeled(of_modes, k), low, zero_mode=zero_mode) for k in units]
    )
    best = int(shares.argmax())
    return shares[best], units[best]


def _counted(of_modes: Tensor, *, zero_mode: bool) -> Tensor:
    kept = of_modes.clone()
    if not zero_mode:
        kept[0, 0] = 0
    return kept
