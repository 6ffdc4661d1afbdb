"""Binary operations as token sequences: what modular, polynomial and group tasks share."""

from typing import Literal, TypeAlias

import torch
from jaxtyping import Int
from torch import Tensor

from grokscope.tasks.base import Dataset, Factor, Signature

Pairs: TypeAlias = Literal["ordered", "unordered"]
Layout: TypeAlias = Literal["a b =", "a op b ="]


def pairs_of(size: int, pairs: Pairs) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
    """Return all pairs (a, b) in lexicographic order: p², or p(p+1)/2 with a <= b."""
    a, b = torch.cartesian_prod(torch.arange(size), torch.arange(size)).unbind(1)
    if pairs == "unordered":
        keep = a <= b
        a, b = a[keep], b[keep]
    return a, b


def table_dataset(
    a: Int[Tensor, " n"],
    b: Int[Tensor, " n"],
    targets: Int[Tensor, " n"],
    *,
    size: int,
    layout: Layout,
    operation: Int[Tensor, " n"] | None = None,
    num_operations: int = 1,
) -> Dataset:
    """Return the examples `a ∘ b = target` over the alphabet 0..size-1 as tokens.

    `[a, b, =]` uses the vocabulary size+1 and `[a, op, b, =]` size+1+num_operations: operation i
    is the token size+i and `=` is the last token. `operation` [n] says which operation each
    example asks for; it is an informative factor only where there are several.
    """
    equals = size + num_operations if layout == "a op b =" else size
    last = torch.full_like(a, equals)
    if layout == "a b =":
        tokens = torch.stack([a, b, last], dim=1)
        positions = (0, 1)
    else:
        op = size + (torch.zeros_like(a) if operation is None else operation)
        tokens = torch.stack([a, op, b, last], dim=1)
        positions = (0, 2)
    factors = [Factor(position=at, start=0, size=size) for at in positions]
    if num_operations > 1:
        factors.append(Factor(position=1, start=size, size=num_operations))
    signature = Signature(
        num_classes=size,
        vocab_size=equals + 1,
        seq_len=tokens.shape[1],
        factors=tuple(factors),
    )
    return Dataset(tokens, targets.to(torch.int64), signature)
