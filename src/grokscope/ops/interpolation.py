"""The smallest linear readout that answers every training example exactly."""

import itertools

import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.ops.lanes import each

PANEL = 128
"""Rows of a panel of a Gram matrix: enough for a product to be fast."""


def gram(features: Float[Tensor, "n width"]) -> Float[Tensor, "n n"]:
    """Return H Hᵀ, of which only the lower triangle may be read.

    Each panel of rows is multiplied up to the diagonal only: with four of them 5/8 of the
    operations of the whole.
    """
    n = len(features)
    if n < 2 * PANEL:
        return features @ features.t()
    product = features.new_zeros(n, n)
    panels = n // PANEL
    bounds = list(itertools.pairwise([n * k // panels for k in range(panels + 1)]))

    def panel(rows: tuple[int, int]) -> None:
        start, stop = rows
        torch.mm(features[start:stop], features[:stop].t(), out=product[start:stop, :stop])

    each(panel, bounds[::-1])
    return product


def duals(
    features: Float[Tensor, "n width"], answers: Float[Tensor, "n classes"]
) -> Float[Tensor, "n classes"]:
    """Return B with H Hᵀ B = Y by Cholesky; NaN where H Hᵀ is not positive definite.

    Hᵀ B is then the readout W of least norm with H W = Y, B the multipliers of those constraints,
    and tr(Yᵀ B) = ‖W‖². The inverse of H Hᵀ is never formed.
    """
    factor, failed = torch.linalg.cholesky_ex(gram(features))
    solved = torch.cholesky_solve(answers, factor)
    return solved.masked_fill_(failed > 0, torch.nan)


def shrink_two_layers(
    inputs: Float[Tensor, "n inputs"],
    first: Float[Tensor, "width inputs"],
    answers: Float[Tensor, "n classes"],
) -> tuple[Float[Tensor, "n width"], Float[Tensor, "classes width"], Float[Tensor, "width inputs"]]:
    """Return H = ReLU(X W₁ᵀ), the readout BᵀH, and the force ((B BᵀH) ⊙ [H > 0])ᵀ X on W₁.

    The flow of Musat (2025) is Ẇ₁ = force - W₁. Some n²·width + n³/3 operations, most of them in
    H Hᵀ.
    """
    features = torch.relu(inputs @ first.t())
    multipliers = duals(features, answers)
    readout = multipliers.t() @ features
    at_units = torch.ops.aten.threshold_backward(multipliers @ readout, features, 0)
    return features, readout, at_units.t() @ inputs


def condition(features: Float[Tensor, "n width"]) -> Float[Tensor, ""]:
    """Return the condition number of H Hᵀ, at most 1/ε: what is larger is singular in float64.

    The ratio of the largest to the smallest of its n eigenvalues. With fewer units than examples
    the smallest is 0.
    """
    n, width = features.shape
    worst = 1 / torch.finfo(torch.float64).eps
    if width < n:
        return features.new_full((), worst, dtype=torch.float64)
    values = torch.linalg.eigvalsh(gram(features.double()))  # reads the lower triangle alone
    ratio: Tensor = (values[-1] / values[0].clamp(min=0)).nan_to_num(nan=worst)
    return ratio.clamp(max=worst)
