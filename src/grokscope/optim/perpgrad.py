"""The gradient without its part along the weights (Prieto et al. 2025, arXiv:2501.04697)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from grokscope.ops.params import Layout
from grokscope.optim.base import OPTIMIZERS, Transform, stateless
from grokscope.optim.filtered import Filtered

TINY = 1e-30
PARALLEL = 1e-5
"""Share of the gradient below which its orthogonal part is taken for rounding."""


def orthogonal(gradient: Tensor, weights: Tensor, *, rescale: bool) -> Tensor:
    """Return g - (w·g / w·w)w of one tensor, scaled back to ‖g‖ where asked and possible."""
    along = (weights * gradient).sum() / ((weights * weights).sum() + TINY)
    rest = gradient - along * weights
    if not rescale:
        return rest
    whole, left = torch.linalg.vector_norm(gradient), torch.linalg.vector_norm(rest)
    factor = torch.where(left > PARALLEL * whole, whole / (left + TINY), torch.ones_like(left))
    return rest * factor


def perpendicular(layout: Layout, *, rescale: bool) -> Transform:
    """Remove from each tensor's gradient what lies along the tensor; gates keep theirs."""
    gates = {entry.name for entry in layout.entries if entry.role == "gate"}

    def of(direction: Tensor, params: Tensor, step: int) -> Tensor:
        weights = layout.split(params)
        return layout.join(
            {
                name: gradient
                if name in gates
                else orthogonal(gradient, weights[name], rescale=rescale)
                for name, gradient in layout.split(direction).items()
            }
        )

    return stateless(of)


@OPTIMIZERS.register
@dataclass(frozen=True, kw_only=True)
class PerpGrad(Filtered):
    """⊥Grad: the base takes g - (w·g / w·w)w, tensor by tensor.

    Scaling all weights up lowers the loss of a network that has memorized without changing an
    answer, until softmax collapse ends learning; without that direction it must change answers.
    Deviation: a gradient that is parallel to its tensor but for rounding is not scaled back, since
    that would turn rounding into updates. A tensor of zeros keeps its gradient, and
    so do gates, single numbers that have no other direction.
    """

    kind: Literal["perpgrad"] = "perpgrad"
    rescale: bool = True
    """Whether each tensor's gradient gets back the norm it had, as in the authors' code."""

    def filter(self, layout: Layout) -> Transform:
        """Return the projection."""
        return perpendicular(layout, rescale=self.rescale)
