"""Which training examples a step sees."""

import torch
from jaxtyping import Int
from torch import Tensor

from grokscope.config import Batch
from grokscope.ops.streams import integers, permutation, stream


def batch_rows(batch: Batch, n: int, seed: int, step: int) -> Int[Tensor, " size"]:
    """Return the rows of the training set that one step sees; a function of seed and step.

    Without replacement each pass through the n examples is a new permutation; its last batch is
    smaller where the size does not divide n.
    """
    size = min(batch.size or n, n)
    if batch.replacement:
        return torch.from_numpy(integers(stream(seed, "order", step), size, n))
    batches = -(-n // size)
    epoch, number = divmod(step, batches)
    order = permutation(stream(seed, "order", epoch), n)
    return torch.from_numpy(order[number * size : (number + 1) * size])
