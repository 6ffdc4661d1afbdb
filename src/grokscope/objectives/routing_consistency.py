"""How differently examples, or layers, are routed."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from grokscope.objectives.base import PENALTIES
from grokscope.objectives.routing import RoutingPenalty


@PENALTIES.register
@dataclass(frozen=True, kw_only=True)
class RoutingConsistency(RoutingPenalty):
    """Σ (w - w̄)² over the heads, w̄ the mean over what should agree; mean over the rest."""

    kind: Literal["routing_consistency"] = "routing_consistency"
    between: Literal["examples", "layers"] = "examples"
    """`examples`: all examples take one route, which may change from layer to layer. `layers`: an
    example uses the same heads in every layer."""

    def of_weights(self, weights: Tensor) -> Tensor:
        """Return the mean squared distance of routing weights to what they should agree on."""
        axis = -2 if self.between == "examples" else -3
        apart = weights - weights.mean(axis, keepdim=True)
        return apart.square().sum(-1).mean()
