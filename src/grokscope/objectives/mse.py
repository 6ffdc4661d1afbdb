"""Squared error against one-hot targets."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.objectives.base import LOSSES, Loss


@LOSSES.register
@dataclass(frozen=True, kw_only=True)
class MSE(Loss):
    """(z_c - 1[c = y])², averaged or summed over the classes."""

    kind: Literal["mse"] = "mse"
    over_classes: Literal["mean", "sum"] = "mean"
    """How the classes are combined; the examples are always averaged."""

    def per_example(
        self, logits: Float[Tensor, "n classes"], targets: Int[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        """Return the squared error of each example."""
        classes = torch.arange(logits.shape[-1], device=logits.device)
        squares = (logits - (targets.unsqueeze(-1) == classes).to(logits.dtype)).square()
        return squares.mean(-1) if self.over_classes == "mean" else squares.sum(-1)
