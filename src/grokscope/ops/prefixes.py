"""Sequences as a trie of distinct prefixes, so that a causal network computes each once.

Position i of a causal network depends only on tokens 0..i. In the p² sequences `[a, b, =]` the
first position therefore has p distinct rows, not p². `Prefixes` finds them; `Rows` carries values
computed once per distinct row together with the index that says who uses them. Pointwise maps
commute with that index, so the saving is exact algebra. The plain network is the case in which
every prefix is its own and every index is None.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils import _pytree as pytree

Index = Tensor | None
"""Row numbers, or None for the identity."""


@dataclass(frozen=True)
class Rows:
    """Values of m rows of which only k are distinct: row r is `values[index[r]]`."""

    values: Tensor
    index: Index = None

    def map(self, function: Callable[[Tensor], Tensor]) -> "Rows":
        """Apply a function that acts on each row by itself to the distinct rows."""
        return Rows(function(self.values), self.index)

    def at(self, index: Index) -> "Rows":
        """Return the rows with the given numbers, still shared."""
        return Rows(self.values, take(self.index, index))

    def expand(self) -> Tensor:
        """Return all m rows, shape [m, ...]."""
        return self.values if self.index is None else select(self.values, self.index)


def select(values: Tensor, index: Tensor) -> Tensor:
    """Return `values[index]` along the first axis; a single row is broadcast, not copied."""
    if values.shape[0] == 1:
        return values.expand(index.shape[0], *values.shape[1:])
    return values.index_select(0, index)


def take(index: Index, by: Index) -> Index:
    """Compose two indexes: the rows `by` of the rows `index`."""
    if index is None or by is None:
        return index if by is None else by
    return index.index_select(0, by)


@dataclass(frozen=True)
class Level:
    """The distinct prefixes that end at one position.

    symbols: the distinct tokens at this position, shape [k]; symbol: which of them each of the m
    prefixes ends in; ancestors[j]: the prefix of length j+1 that each extends (j below this
    position); examples: the prefix of each of the n examples.
    """

    symbols: Int[Tensor, " k"]
    symbol: Index
    ancestors: tuple[Index, ...]
    examples: Index


@dataclass(frozen=True)
class Prefixes:
    """n sequences of s tokens, one level for each position."""

    levels: tuple[Level, ...]
    tokens: Int[Tensor, "n s"]

    @classmethod
    def shared(cls, tokens: Int[Tensor, "n s"], *, causal: bool) -> "Prefixes":
        """Find the distinct prefixes; without a causal mask only whole sequences are shared.

        Without causality a position sees the entire sequence, so beyond its own token nothing is
        shared and every example keeps its own row.
        """
        n, s = tokens.shape
        examples = [_distinct(tokens[:, : i + 1])[1] if causal else None for i in range(s)]
        levels = []
        for i in range(s):
            holder = _first_holders(examples[i], n)
            column = tokens[:, i] if holder is None else tokens[holder, i]
            symbols, symbol = torch.unique(column, return_inverse=True)
            ancestors = tuple(_identity(take(examples[j], holder)) for j in range(i))
            levels.append(Level(symbols, symbol, ancestors, _identity(examples[i])))
        return cls(tuple(levels), tokens)

    @classmethod
    def plain(cls, tokens: Int[Tensor, "n s"]) -> "Prefixes":
        """Give every example its own row at every position."""
        s = tokens.shape[1]
        levels = tuple(Level(tokens[:, i], None, (None,) * i, None) for i in range(s))
        return cls(levels, tokens)

    def to_plain(self) -> "Prefixes":
        """Return the same sequences with nothing shared."""
        return Prefixes.plain(self.tokens)


for _tree in (Level, Prefixes):
    pytree.register_dataclass(_tree)


def stack(rows: Sequence[Rows]) -> Tensor:
    """Return per-example rows of s positions as one tensor, shape [n, s, ...]."""
    return torch.stack([row.expand() for row in rows], dim=1)


def unstack(values: Tensor) -> list[Rows]:
    """Return the positions of a tensor [n, s, ...] as s plain rows."""
    return [Rows(part) for part in values.unbind(1)]


def _distinct(prefixes: Tensor) -> tuple[Tensor, Tensor]:
    """Return distinct rows in order of first appearance, and the row of each example."""
    unique, inverse = torch.unique(prefixes, dim=0, return_inverse=True)
    first = torch.full((len(unique),), len(prefixes), device=prefixes.device)
    positions = torch.arange(len(prefixes), device=prefixes.device)
    first = first.scatter_reduce(0, inverse, positions, "amin")
    order = torch.argsort(first)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device)
    return unique[order], rank[inverse]


def _first_holders(examples: Index, n: int) -> Index:
    """Return one example for each prefix, or None where prefixes and examples coincide."""
    if examples is None or _identity(examples) is None:
        return None
    m = int(examples.max()) + 1
    positions = torch.arange(n, device=examples.device)
    start = torch.full((m,), n, device=examples.device)
    return start.scatter_reduce(0, examples, positions, "amin")


def _identity(index: Index) -> Index:
    """Return None for an index that changes nothing."""
    if index is None:
        return None
    same = torch.arange(len(index), device=index.device)
    return None if torch.equal(index, same) else index
