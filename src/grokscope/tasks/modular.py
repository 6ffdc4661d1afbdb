"""Modular arithmetic: the task on which grokking was found."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

import torch
from jaxtyping import Int
from torch import Tensor

from grokscope.errors import ConfigError
from grokscope.tasks.base import TASKS, Dataset, Task
from grokscope.tasks.tables import Layout, Pairs, pairs_of, table_dataset
from grokscope.typing import Ge, Le

Operation: TypeAlias = Literal["add", "subtract", "multiply", "divide"]


def inverses(p: int) -> Int[Tensor, " p"]:
    """Return x with `b·x ≡ 1 (mod p)` for every b in 0..p-1, and -1 where b is not a unit."""
    return torch.tensor([pow(b, -1, p) if math.gcd(b, p) == 1 else -1 for b in range(p)])


def operate(
    operation: Operation, a: Int[Tensor, " n"], b: Int[Tensor, " n"], p: int
) -> Int[Tensor, " n"]:
    """Return `a ∘ b mod p` for each pair, shape [n]; every b must be a unit for `divide`."""
    if operation == "add":
        return (a + b) % p
    if operation == "subtract":
        return (a - b) % p
    if operation == "multiply":
        return (a * b) % p
    return (a * inverses(p)[b]) % p


def divisible(b: Int[Tensor, " n"], p: int) -> Tensor:
    """Return which b are units modulo p, shape [n], bool."""
    return inverses(p)[b] >= 0


@TASKS.register
@dataclass(frozen=True, kw_only=True)
class Modular(Task):
    """a ∘ b mod p for one operation, over all pairs (Power et al. 2022)."""

    kind: Literal["modular"] = "modular"
    operation: Operation = "add"
    """The operation; division is over pairs whose b is a unit."""
    p: Annotated[int, Ge(2), Le(4096)] = 113
    """The modulus; it need not be prime."""
    pairs: Pairs = "ordered"
    """All p² ordered pairs, or the p(p+1)/2 with a <= b (commutative operations only)."""
    divisors: Literal["units", "nonzero"] = "units"
    """Which b division uses: the units modulo p, or every b but 0 (then p must be prime)."""
    layout: Layout = "a b ="
    """Tokens of an example: `a b =` (vocabulary p+1) or `a op b =` (vocabulary p+2)."""

    def __post_init__(self) -> None:
        if self.pairs == "unordered" and self.operation not in ("add", "multiply"):
            raise ConfigError(
                f"pairs: unordered needs a commutative operation, not {self.operation}"
            )
        if self.operation == "divide" and self.divisors == "nonzero":
            broken = next((b for b in range(1, self.p) if math.gcd(b, self.p) > 1), None)
            if broken is not None:
                raise ConfigError(
                    f"p: division by {broken} does not exist modulo {self.p}, {broken} is not a "
                    "unit; take a prime p or divisors: units"
                )

    def dataset(self) -> Dataset:
        """Return all pairs in lexicographic order with their results."""
        a, b = pairs_of(self.p, self.pairs)
        if self.operation == "divide":
            keep = divisible(b, self.p)
            a, b = a[keep], b[keep]
        targets = operate(self.operation, a, b, self.p)
        return table_dataset(a, b, targets, size=self.p, layout=self.layout)
