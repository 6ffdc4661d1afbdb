"""How unequally the heads of a layer are used."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from grokscope.objectives.base import PENALTIES
from grokscope.objectives.routing import RoutingPenalty
from grokscope.ops.gating import gini


@PENALTIES.register
@dataclass(frozen=True, kw_only=True)
class RoutingGini(RoutingPenalty):
    """The Gini coefficient of a layer's utilization (its mean weights), mean over layers.

    0 for heads used alike, (heads - 1)/heads for one used alone.
    """

    kind: Literal["routing_gini"] = "routing_gini"
    favors: Literal["equal", "unequal"] = "equal"
    """`equal` penalizes the coefficient G; `unequal` penalizes 1 - G."""

    def of_weights(self, weights: Tensor) -> Tensor:
        """Return the mean of G, or of 1 - G."""
        index = gini(weights.mean(-2)).mean()
        return index if self.favors == "equal" else 1 - index
