"""What the gates of a depth-gated network do (Q7)."""

import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.errors import ScienceError
from grokscope.metrics.base import metric
from grokscope.models import Gate, Signal
from grokscope.objectives.gate_cost import flops_shares
from grokscope.ops.gating import gate_entropy as entropy_of
from grokscope.snapshot import Snapshot

GROUP = "Routing and Gates"


def gates_of(snapshot: Snapshot) -> list[Signal]:
    """Return what passes each gate for the training examples, layer by layer.

    Raises ScienceError for a network without gates.
    """
    found = [signal for signal in snapshot.signals if isinstance(signal.probe, Gate)]
    if not found:
        raise ScienceError("this network has no gates: it needs model.kind=gated")
    return found


def _values(snapshot: Snapshot) -> Float[Tensor, "layers n"]:
    return torch.stack([signal.value for signal in gates_of(snapshot)])


@metric(label="Gate", group=GROUP, cost="forward", source="measures: gates")
def gate_values(snapshot: Snapshot) -> dict[str, Tensor]:
    """Mean gate over layers and examples, and of each layer as `gate_values.<layer>`."""
    means = _values(snapshot).mean(-1)
    each = {f"gate_values.{number}": mean for number, mean in enumerate(means.unbind())}
    return {"gate_values": means.mean()} | each


@metric(
    label="Effective depth",
    group=GROUP,
    cost="forward",
    source="measures: gates",
    also=("open_gates",),
)
def effective_depth(snapshot: Snapshot) -> dict[str, Tensor]:
    """Σ g over the layers, and as `open_gates` the number with g > ½; means over examples."""
    values = _values(snapshot)
    count = (values > 0.5).to(values.dtype).sum(0).mean()
    return {"effective_depth": values.sum(0).mean(), "open_gates": count}


@metric(label="Gate entropy", group=GROUP, cost="forward", source="measures: gates")
def gate_entropy(snapshot: Snapshot) -> Tensor:
    """-Σ g ln g + (1 - g) ln(1 - g) over the layers in nats, mean over examples.

    Of a straight-through gate, which is 0 or 1, it is the entropy of the sigmoid behind it.
    """
    soft = torch.stack([signal.soft for signal in gates_of(snapshot)])
    return entropy_of(soft).sum(0).mean()


@metric(label="Compute cost", group=GROUP, cost="forward", source="measures: compute cost")
def compute_cost(snapshot: Snapshot) -> Tensor:
    """Σ g F / Σ F with the FLOPs F of each layer, mean over examples."""
    gates = gates_of(snapshot)
    means = torch.stack([signal.value.mean() for signal in gates])
    return (means * flops_shares(gates, means)).sum()
