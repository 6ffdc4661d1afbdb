"""What penalties on routing weights share."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from grokscope.models import Network, Routing, Signal
from grokscope.objectives.base import Heard


@dataclass(frozen=True, kw_only=True)
class RoutingPenalty(Heard):
    """A penalty on the routing weights of all layers."""

    @abstractmethod
    def of_weights(self, weights: Tensor) -> Tensor:
        """Return the penalty of routing weights [layers, n, heads], a scalar."""

    def refusal(self, network: Network) -> str:
        """Return words about a network that does not route."""
        routed = any(isinstance(probe, Routing) for probe in network.probes.values())
        kind = vars(type(self))["kind"]
        return "" if routed else f"{kind} needs a network that routes: model.kind=routed"

    def of(self, signals: Sequence[Signal]) -> Tensor:
        """Return the penalty of one forward pass."""
        return self.of_weights(
            torch.stack([signal.value for signal in signals if isinstance(signal.probe, Routing)])
        )
