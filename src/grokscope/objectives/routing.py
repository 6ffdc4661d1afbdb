"""What penalties on routing weights share."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from grokscope.errors import ConfigError
from grokscope.models import Network, Routing, Signal
from grokscope.objectives.base import Heard
from grokscope.tasks import Task


@dataclass(frozen=True, kw_only=True)
class RoutingPenalty(Heard):
    """A penalty on the routing weights of all layers."""

    @abstractmethod
    def of_weights(self, weights: Tensor) -> Tensor:
        """Return the penalty of routing weights [layers, n, heads], a scalar."""

    def check(self, task: Task, network: Network) -> None:
        """Raise ConfigError for a network that does not route."""
        if not any(isinstance(probe, Routing) for probe in network.probes.values()):
            kind = vars(type(self))["kind"]
            raise ConfigError(f"penalties: {kind} needs a network that routes: model.kind=routed")

    def of(self, signals: Sequence[Signal]) -> Tensor:
        """Return the penalty of one forward pass."""
        return self.of_weights(
            torch.stack([signal.value for signal in signals if isinstance(signal.probe, Routing)])
        )
