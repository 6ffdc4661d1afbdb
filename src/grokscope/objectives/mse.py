"""Squared error against one-hot or real targets."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from grokscope.objectives.base import LOSSES, Loss


@LOSSES.register
@dataclass(frozen=True, kw_only=True)
class MSE(Loss):
    """(z_c - 1[c = y])², averaged or summed over the classes; (z - y)² for real targets."""

    kind: Literal["mse"] = "mse"
    reads_real: ClassVar[bool] = True
    over_classes: Literal["mean", "sum"] = "mean"
    """How the classes are combined; the examples are always averaged."""

    def per_example(
        self, logits: Float[Tensor, "n classes"], targets: Shaped[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        """Return the squared error of each example."""
        if targets.is_floating_point():
            return (logits.squeeze(-1) - targets).square()
        classes = torch.arange(logits.shape[-1], device=logits.device)
        squares = (logits - (targets.unsqueeze(-1) == classes).to(logits.dtype)).square()
        return squares.mean(-1) if self.over_classes == "mean" else squares.sum(-1)
