"""How far routing weights are from a single head."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from grokscope.objectives.base import PENALTIES
from grokscope.objectives.routing import RoutingPenalty


@PENALTIES.register
@dataclass(frozen=True, kw_only=True)
class RoutingSparsity(RoutingPenalty):
    """1 - Σ w², the mean over examples and layers: 0 for one head, 1 - 1/heads for all alike.

    The sum of the weights, the usual measure of sparsity, is 1 for every softmax, so the sum of
    their squares stands in its place. Unlike the entropy's, its gradient stays bounded.
    """

    kind: Literal["routing_sparsity"] = "routing_sparsity"

    def of_weights(self, weights: Tensor) -> Tensor:
        """Return the mean of 1 - Σ w²."""
        return (1 - weights.square().sum(-1)).mean()
