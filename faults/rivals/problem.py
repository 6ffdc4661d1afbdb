"""The one learning problem of the comparison: addition modulo 23 in a small network."""

import torch
from torch import Tensor, nn

P = 23
WIDTH = 64
STEPS = 300
BATCH = 64
RATE, DECAY = 1e-2, 0.1
SAVE_EVERY, LOG_EVERY = 20, 5


def data() -> tuple[Tensor, Tensor]:
    """Return half of the pairs as one-hot inputs [n, 2p], and their sums [n]."""
    pairs = torch.cartesian_prod(torch.arange(P), torch.arange(P))
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(0))
    chosen = pairs[order[: len(pairs) // 2]]
    inputs = nn.functional.one_hot(chosen, P).flatten(1).float()
    return inputs, chosen.sum(1) % P


def network() -> nn.Sequential:
    """Return the network, drawn from the global random stream as everybody does."""
    return nn.Sequential(nn.Linear(2 * P, WIDTH), nn.ReLU(), nn.Linear(WIDTH, P, bias=False))


def epochs(batch: int) -> int:
    """Return how many passes make at least STEPS steps."""
    return -(-STEPS // batches(batch))


def batches(batch: int) -> int:
    """Return the steps of a pass."""
    return -(-len(data()[0]) // batch)
