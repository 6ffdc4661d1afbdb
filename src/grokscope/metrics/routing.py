"""How a routed network uses its heads (Q6)."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from grokscope.errors import ScienceError
from grokscope.metrics.base import metric
from grokscope.models import Routing
from grokscope.ops.gating import gini
from grokscope.ops.gating import routing_entropy as entropy_of
from grokscope.snapshot import Snapshot

GROUP = "Routing and Gates"


def routing_of(snapshot: Snapshot) -> Float[Tensor, "layers n heads"]:
    """Return the routing weights of the training examples.

    Raises ScienceError for a network that does not route.
    """
    found = [signal.value for signal in snapshot.signals if isinstance(signal.probe, Routing)]
    if not found:
        raise ScienceError("this network does not route: it needs model.kind=routed")
    return torch.stack(found)


def _by_head(name: str, shares: Float[Tensor, "layers heads"]) -> dict[str, Tensor]:
    return {
        f"{name}.{layer}.{head}": share
        for layer, row in enumerate(shares.unbind())
        for head, share in enumerate(row.unbind())
    }


@metric(
    label="Routing entropy",
    group=GROUP,
    cost="forward",
    source="measures: routing",
    also=("routing_entropy_max",),
)
def routing_entropy(snapshot: Snapshot) -> dict[str, float | Tensor]:
    """-Σ w ln w in nats, mean over examples and layers, and its maximum ln(heads)."""
    weights = routing_of(snapshot)
    entropy = entropy_of(weights).mean()
    return {"routing_entropy": entropy, "routing_entropy_max": math.log(weights.shape[-1])}


@metric(
    label="Gini of utilization",
    group=GROUP,
    cost="forward",
    source="measures: routing",
    also=("utilization",),
)
def utilization_gini(snapshot: Snapshot) -> dict[str, Tensor]:
    """Gini of a layer's mean weights, `utilization.<layer>.<head>`, mean over layers."""
    utilization = routing_of(snapshot).mean(1)
    return {"utilization_gini": gini(utilization).mean()} | _by_head("utilization", utilization)


@metric(label="Share of the commonest head", group=GROUP, cost="forward")
def dominant_head(snapshot: Snapshot) -> dict[str, Tensor]:
    """Share of examples at which each head weighs most, as `dominant_head.<layer>.<head>`.

    `dominant_head` is the largest of a layer, mean over layers: 1 where all examples take the same
    head.
    """
    weights = routing_of(snapshot)
    chosen = F.one_hot(weights.argmax(-1), weights.shape[-1])
    shares = chosen.to(weights.dtype).mean(1)
    return {"dominant_head": shares.max(-1).values.mean()} | _by_head("dominant_head", shares)
