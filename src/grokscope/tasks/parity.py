"""Sparse parity: the product of a few signs among many."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from grokscope.errors import ConfigError
from grokscope.ops.streams import stream
from grokscope.tasks.base import TASKS, Dataset, Signature, Task
from grokscope.typing import Ge, Gt, Le

MOST = 20
"""Most bits of which all strings are made."""


def strings(n: int) -> Int[Tensor, "strings n"]:
    """Return all strings of n bits in the order of the numbers they write, first bit highest."""
    return torch.arange(2**n).unsqueeze(1) >> torch.arange(n - 1, -1, -1) & 1


def sampled(n: int, count: int, draw: int) -> Int[Tensor, "count n"]:
    """Return different strings of n bits in the order in which they were drawn."""
    rng = stream(draw, "parity")
    numbers = np.zeros(0, dtype=np.uint64)
    while len(numbers) < count:
        more = rng.bit_generator.random_raw(count) >> np.uint64(64 - n)
        numbers = np.concatenate([numbers, more])
        numbers = numbers[np.sort(np.unique(numbers, return_index=True)[1])]
    places = np.arange(n - 1, -1, -1, dtype=np.uint64)
    bits = numbers[:count, None] >> places & np.uint64(1)
    return torch.from_numpy(bits.astype(np.int64))


@TASKS.register
@dataclass(frozen=True, kw_only=True)
class Parity(Task):
    """Whether the first k of n bits hold an odd number of ones (Barak et al. 2022).

    Inputs are n real features, -1 for a one and +1 for a zero, so the answer is the sign of the
    product of the first k; class 1 is odd. Which k bits count makes no difference to a network
    whose inputs start alike, so they are the first.
    """

    kind: Literal["parity"] = "parity"
    n: Annotated[int, Ge(1), Le(62)] = 40
    """Bits of an example."""
    k: Annotated[int, Ge(1)] = 3
    """Bits that count: the first k."""
    examples: Annotated[int, Gt(1)] | None = 2000
    """Different examples, drawn uniformly; null takes all 2ⁿ."""
    draw: Annotated[int, Ge(0)] = 0
    """Which draw of examples; it does not depend on the seed of the run."""

    def __post_init__(self) -> None:
        if self.k > self.n:
            raise ConfigError(f"k: {self.k} of {self.n} bits cannot count")
        if self.examples is None and self.n > MOST:
            raise ConfigError(f"examples: all 2^{self.n} are too many; give a number")
        if self.examples is not None and self.examples > 2**self.n:
            raise ConfigError(
                f"examples: there are only {2**self.n} strings of {self.n} bits; null takes all"
            )

    def dataset(self) -> Dataset:
        """Return all strings in order, or those drawn."""
        some = self.examples
        bits = strings(self.n) if some is None else sampled(self.n, some, self.draw)
        targets = bits[:, : self.k].sum(1) % 2
        signature = Signature(num_classes=2, num_features=self.n)
        return Dataset(1.0 - 2.0 * bits, targets, signature)
