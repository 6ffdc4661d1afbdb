"""The entropy of the routing weights."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from grokscope.objectives.base import PENALTIES
from grokscope.objectives.routing import RoutingPenalty
from grokscope.ops.gating import routing_entropy


@PENALTIES.register
@dataclass(frozen=True, kw_only=True)
class RoutingEntropy(RoutingPenalty):
    """-Σ w ln w, the mean over examples and layers: drives each example to one head a layer."""

    kind: Literal["routing_entropy"] = "routing_entropy"

    def of_weights(self, weights: Tensor) -> Tensor:
        """Return the mean entropy in nats."""
        return routing_entropy(weights).mean()
