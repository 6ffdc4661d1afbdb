"""Copying and reversing sequences."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch

from grokscope.errors import ConfigError
from grokscope.tasks.base import TASKS, Dataset, Factor, Signature, Task
from grokscope.tasks.strings import check_strings, strings
from grokscope.typing import Ge, Gt, Le

BITS = 40
"""Most strings, as a power of two, that a stream draws from without a bias worth naming."""


@TASKS.register
@dataclass(frozen=True, kw_only=True)
class Sequence(Task):
    """Say a sequence of symbols again, forwards or backwards, symbol by symbol.

    Tokens are `x₁ … x_L = y₁ … y_{L-1}` with y the answer, and the answers y₁ … y_L are read at the
    last L positions: each sees the right answers before it (teacher forcing), never its own, so
    the network must be causal. All L are right under teacher forcing exactly where greedy decoding
    says the whole sequence right, since up to its first mistake decoding sees the same tokens.
    Accuracy is that of symbols; the metric `reward` counts whole sequences.
    """

    kind: Literal["sequence"] = "sequence"
    operation: Literal["copy", "reverse"] = "copy"
    """What the answer is."""
    size: Annotated[int, Ge(2)] = 10
    """Symbols of the alphabet; `=` is one token more."""
    length: Annotated[int, Ge(2), Le(64)] = 5
    """Symbols L of a sequence."""
    examples: Annotated[int, Gt(1)] | None = 2000
    """Different sequences, drawn uniformly; null takes all sizeᴸ."""
    draw: Annotated[int, Ge(0)] = 0
    """Which draw of sequences; it does not depend on the seed of the run."""

    def __post_init__(self) -> None:
        if self.size**self.length > 2**BITS:
            raise ConfigError(f"length: {self.size}^{self.length} sequences are more than 2^{BITS}")
        check_strings(self.size, self.length, self.examples)

    def dataset(self) -> Dataset:
        """Return all sequences in lexicographic order, or those drawn."""
        x = strings(self.size, self.length, self.examples, draw=self.draw, name="sequence")
        y = x if self.operation == "copy" else x.flip(1)
        equals = torch.full_like(x[:, :1], self.size)
        positions = [*range(self.length), *range(self.length + 1, 2 * self.length)]
        signature = Signature(
            num_classes=self.size,
            vocab_size=self.size + 1,
            seq_len=2 * self.length,
            factors=tuple(Factor(position=i, start=0, size=self.size) for i in positions),
            num_answers=self.length,
        )
        return Dataset(torch.cat([x, equals, y[:, :-1]], dim=1), y, signature)
