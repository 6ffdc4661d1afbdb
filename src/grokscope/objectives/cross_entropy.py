"""Cross-entropy of the softmax."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.objectives.base import LOSSES, Loss
from grokscope.ops.softmax import cross_entropy


@LOSSES.register
@dataclass(frozen=True, kw_only=True)
class CrossEntropy(Loss):
    """-ln softmax(z)_y. In float32 it rounds to 0 beyond gaps of about 17: see precision.loss."""

    kind: Literal["cross_entropy"] = "cross_entropy"

    def per_example(
        self, logits: Float[Tensor, "n classes"], targets: Int[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        """Return ln Σ exp(z) - z_y."""
        return F.cross_entropy(logits, targets, reduction="none")

    def per_example_in(
        self,
        dtype: torch.dtype,
        logits: Float[Tensor, "n classes"],
        targets: Int[Tensor, " n"],
    ) -> Float[Tensor, " n"]:
        """Return the same, computed in `dtype` in one pass."""
        return cross_entropy(logits, targets, dtype)
