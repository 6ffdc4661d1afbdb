"""Multi-class hinge loss."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.objectives.base import LOSSES, Loss
from grokscope.typing import PER_RUN, Gt


@LOSSES.register
@dataclass(frozen=True, kw_only=True)
class Hinge(Loss):
    """Σ_{c≠y} max(0, margin - z_y + z_c) / classes, as torch's multi_margin_loss."""

    kind: Literal["hinge"] = "hinge"
    margin: Annotated[float, Gt(0), PER_RUN] = 1.0
    """Distance the right logit must keep from each other."""

    def per_example(
        self, logits: Float[Tensor, "n classes"], targets: Int[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        """Return the hinge loss of each example."""
        right = logits.gather(-1, targets.unsqueeze(-1))
        excess = torch.relu(self.margin - right + logits).sum(-1)
        return (excess - self.margin) / logits.shape[-1]
