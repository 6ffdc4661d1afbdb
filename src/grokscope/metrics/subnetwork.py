"""How many units of a network do its work (part of Q9)."""

import torch
from torch import Tensor

from grokscope.errors import ScienceError
from grokscope.metrics.base import metric
from grokscope.snapshot import Snapshot

CHUNK = 64
"""Units whose partial sums are held at once."""


def _bytes(snapshot: Snapshot) -> int:
    answers = len(snapshot.problem.dataset) * snapshot.train_logits.shape[-1]
    return 3 * CHUNK * answers * snapshot.params.element_size()


def smallest_agreeing(hidden: Tensor, outgoing: Tensor, order: Tensor, predictions: Tensor) -> int:
    """Return the smallest k for which the first k units predict the same on all inputs.

    hidden: [n, units]; outgoing: [classes, units]; order: the units, most important first;
    predictions: those of the whole network, [n].
    """
    total = hidden.new_zeros(len(hidden), len(outgoing))
    for start in range(0, len(order), CHUNK):
        units = order[start : start + CHUNK]
        each = hidden[:, units].unsqueeze(1) * outgoing[:, units]
        sums = total.unsqueeze(-1) + each.cumsum(-1)
        agree = (sums.max(1).indices == predictions.unsqueeze(-1)).all(0)
        if bool(agree.any()):
            return start + 1 + int(agree.int().argmax())
        total = sums[..., -1]
    return len(order)


@metric(
    label="Effective sub-network",
    group="Model Properties",
    scale="log",
    cost="forward",
    source="Merrill et al. 2023, arXiv:2303.11873",
    needs=_bytes,
)
def effective_subnetwork(snapshot: Snapshot) -> float:
    """Smallest k such that the k units of largest norm predict what the network predicts.

    On all inputs, train and test. Units are those of the last hidden layer, their norm is that of
    their incoming weights, and the others are set to 0. Deviation: the paper compares accuracies on
    the training set. Agreement is not monotonic in k; this is the first.
    Raises ScienceError where the unembedding does not read a hidden layer.
    """
    problem = snapshot.problem
    weights = problem.network.last_hidden
    if weights is None:
        raise ScienceError("this network has no hidden layer that its unembedding reads")
    incoming, outgoing = (x.detach() for x in weights)
    order = torch.linalg.vector_norm(incoming, dim=1).argsort(descending=True, stable=True)
    hidden = torch.cat(
        [problem.activation("representation", x) for x in (problem.train, problem.test)]
    )
    logits = torch.cat([snapshot.train_logits, snapshot.test_logits])
    return smallest_agreeing(hidden, outgoing, order, logits.max(-1).indices)
