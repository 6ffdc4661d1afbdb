"""Sparse parity: the product of a few signs among many."""

from dataclasses import dataclass
from typing import Annotated, Literal

from grokscope.errors import ConfigError
from grokscope.tasks.base import TASKS, Dataset, Signature, Task
from grokscope.tasks.strings import check_strings, strings
from grokscope.typing import Ge, Gt, Le


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
        check_strings(2, self.n, self.examples)

    def dataset(self) -> Dataset:
        """Return all strings in lexicographic order, or those drawn."""
        bits = strings(2, self.n, self.examples, draw=self.draw, name="parity")
        targets = bits[:, : self.k].sum(1) % 2
        signature = Signature(num_classes=2, num_features=self.n)
        return Dataset(1.0 - 2.0 * bits, targets, signature)
