"""The residual stream as a sum of terms that linear maps pass through.

A linear map of a sum is the sum of the maps of its terms, and each term knows its cheapest way: a
shared row is mapped once, a mixture of few distinct rows is mapped before it is mixed, a product
with a matrix composes the two matrices. A norm needs the sum itself: `dense`.
"""

import functools
import operator
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from grokscope.ops.mixing import Bags, mix
from grokscope.ops.prefixes import Rows


class Term(ABC):
    """One summand of a residual stream: m rows of dimension d."""

    @abstractmethod
    def dense(self) -> Float[Tensor, "m d"]:
        """Return the rows."""

    def through(self, weight: Float[Tensor, "out d"]) -> Float[Tensor, "m out"]:
        """Return the rows times the transposed weight."""
        return F.linear(self.dense(), weight)


@dataclass(frozen=True)
class Shared(Term):
    """Rows that are shared between examples, or simply given."""

    rows: Rows

    def dense(self) -> Tensor:
        """Return all rows."""
        return self.rows.expand()

    def through(self, weight: Tensor) -> Tensor:
        """Map the distinct rows, then share them."""
        return self.rows.map(lambda values: F.linear(values, weight)).expand()


@dataclass(frozen=True)
class Mixed(Term):
    """What attention heads bring from few distinct rows, through their output matrix.

    pattern: [m, bag]; values: [rows, heads, k]; output: [d, heads · k].
    """

    pattern: Tensor
    values: Tensor
    output: Tensor
    bags: Bags

    def dense(self) -> Tensor:
        """Mix the rows after their output matrix."""
        return self._mixed(self.output)

    def through(self, weight: Tensor) -> Tensor:
        """Compose the weight with the output matrix, map the distinct rows, then mix them."""
        return self._mixed(weight @ self.output)

    def _mixed(self, weight: Tensor) -> Tensor:
        heads = self.values.shape[1]
        by_head = rearrange(weight, "o (h k) -> o h k", h=heads)
        tables = torch.einsum("rhk,ohk->rho", self.values, by_head).flatten(0, 1)
        return mix(self.pattern, tables, self.bags)


@dataclass(frozen=True)
class Product(Term):
    """Hidden units times a matrix: hidden [m, k], weight [d, k], bias [d]."""

    hidden: Tensor
    weight: Tensor
    bias: Tensor | None

    def dense(self) -> Tensor:
        """Return the product."""
        return F.linear(self.hidden, self.weight, self.bias)

    def through(self, weight: Tensor) -> Tensor:
        """Compose the two matrices first where that takes fewer operations for each row."""
        (out, d), k = weight.shape, self.hidden.shape[-1]
        if out * k >= k * d + d * out:
            return F.linear(self.dense(), weight)
        bias = None if self.bias is None else F.linear(self.bias, weight)
        return F.linear(self.hidden, weight @ self.weight, bias)


@dataclass(frozen=True)
class Constant(Term):
    """The same vector [d] in every row; shape [1, d] when dense."""

    vector: Tensor

    def dense(self) -> Tensor:
        """Return one row, which broadcasts."""
        return self.vector.unsqueeze(0)


@dataclass(frozen=True)
class Stream:
    """A sum of terms."""

    terms: tuple[Term, ...]

    @classmethod
    def of(cls, rows: Rows | Tensor) -> "Stream":
        """Return the stream of given rows."""
        return cls((Shared(rows if isinstance(rows, Rows) else Rows(rows)),))

    def plus(self, *terms: Term) -> "Stream":
        """Return the stream with more terms."""
        return Stream(self.terms + terms)

    def rows(self) -> Rows:
        """Return the rows, still shared if they are nothing but shared rows."""
        if len(self.terms) == 1 and isinstance(self.terms[0], Shared):
            return self.terms[0].rows
        return Rows(self.dense())

    def dense(self) -> Float[Tensor, "m d"]:
        """Return the sum."""
        return total([term.dense() for term in self.terms])

    def through(
        self, weight: Float[Tensor, "out d"], bias: Float[Tensor, " out"] | None = None
    ) -> Float[Tensor, "m out"]:
        """Return the sum times the transposed weight, plus a bias."""
        parts = [term.through(weight) for term in self.terms]
        return total(parts) if bias is None else total([*parts, bias])


def total(parts: list[Tensor]) -> Tensor:
    """Return the sum of at least one tensor."""
    return functools.reduce(operator.add, parts)
