"""StableMax cross-entropy."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.objectives.base import LOSSES, Loss


def stable(x: Tensor) -> Tensor:
    """Return s(x) = x + 1 for x >= 0 and 1/(1 - x) below; s(x)·s(-x) = 1."""
    return torch.where(x >= 0, x + 1, 1 / (1 - x.clamp(max=0)))


@LOSSES.register
@dataclass(frozen=True, kw_only=True)
class StableMax(Loss):
    """-ln s(z_y)/Σ s(z_c): cross-entropy that cannot collapse (Prieto et al. 2025)."""

    kind: Literal["stablemax"] = "stablemax"

    def per_example(
        self, logits: Float[Tensor, "n classes"], targets: Int[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        """Return ln Σ s(z) - ln s(z_y)."""
        s = stable(logits)
        return s.sum(-1).log() - s.gather(-1, targets.unsqueeze(-1)).squeeze(-1).log()
