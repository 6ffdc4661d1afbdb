"""The compute that open gates cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from grokscope.errors import ConfigError
from grokscope.models import Gate, Network, Signal
from grokscope.objectives.base import PENALTIES, Heard
from grokscope.ops.gating import gate_entropy
from grokscope.tasks import Task
from grokscope.typing import PER_RUN, Ge


@PENALTIES.register
@dataclass(frozen=True, kw_only=True)
class GateCost(Heard):
    """What a depth-gated network computes, from its gates g_l; the mean over the examples.

    With λ its weight, the objective is that of least action: loss + λ · cost.
    """

    kind: Literal["gate_cost"] = "gate_cost"
    cost: Literal["sum", "weighted", "entropy", "sum_entropy"] = "sum"
    """`sum`: Σ g_l, the effective depth. `weighted`: Σ g_l F_l / Σ F_l with the FLOPs F_l of each
    layer. `entropy`: -Σ g_l ln g_l + (1 - g_l) ln(1 - g_l), which drives gates to 0 or 1.
    `sum_entropy`: both. The entropy of a straight-through gate is that of its sigmoid."""
    entropy_factor: Annotated[float, Ge(0), PER_RUN] = 1.0
    """Factor on the entropy in `sum_entropy`."""

    def check(self, task: Task, network: Network) -> None:
        """Raise ConfigError for a network without gates."""
        if not any(isinstance(probe, Gate) for probe in network.probes.values()):
            raise ConfigError("penalties: gate_cost needs a network with gates: model.kind=gated")

    def of(self, signals: Sequence[Signal]) -> Tensor:
        """Return the cost of the gates of one forward pass."""
        gates = [signal for signal in signals if isinstance(signal.probe, Gate)]
        values = torch.stack([signal.value.mean() for signal in gates])
        entropies = torch.stack([gate_entropy(signal.soft).mean() for signal in gates])
        if self.cost == "weighted":
            return (values * flops_shares(gates, values)).sum()
        if self.cost == "sum":
            return values.sum()
        if self.cost == "entropy":
            return entropies.sum()
        return values.sum() + self.entropy_factor * entropies.sum()


def flops_shares(gates: Sequence[Signal], like: Tensor) -> Tensor:
    """Return F_l / Σ F for the layers of some gates, shape [layers]."""
    flops = [signal.probe.flops for signal in gates if isinstance(signal.probe, Gate)]
    return torch.tensor(flops, dtype=like.dtype, device=like.device) / sum(flops)
