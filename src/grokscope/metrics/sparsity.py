"""How many parameters are next to nothing (part of Q9)."""

from torch import Tensor

from grokscope.metrics.base import metric
from grokscope.snapshot import Snapshot

SMALL = 0.1
"""A parameter counts as nothing up to this share of the root mean square of its tensor."""


@metric(label="Parameter sparsity", group="Model Properties", source="measures: sparsity")
def parameter_sparsity(snapshot: Snapshot) -> Tensor:
    """Share of parameters with |θ| at most a tenth of the root mean square of their tensor.

    A Gaussian has .080. A tensor that is all zero counts whole.
    """
    small = [
        (x.abs() <= SMALL * x.double().square().mean().sqrt()).sum()
        for x in snapshot.tensors.values()
    ]
    total: Tensor = sum(small[1:], start=small[0]).double()
    return total / len(snapshot.params)
