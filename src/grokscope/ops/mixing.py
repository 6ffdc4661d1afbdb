"""Sums of few distinct rows: what attention over shared rows mixes, without forming its inputs.

Row i of the result is Σ_s weights[i, s] · tables[index[i, s]]. In the first layer of a network on
p² sequences the tables have some 2p rows for each head, so a linear map that follows attention is
cheaper on the tables than on the p² mixtures: it commutes with the sum.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils import _pytree as pytree

CHUNK = 64
VECTOR = 16


@dataclass(frozen=True)
class Bags:
    """Which table rows each result mixes, and, seen from the tables, which results use each row.

    index: table rows, shape [m, bag]. users: the results that use table row 0, then row 1, and so
    on, shape [m · bag]; shares: where in the flattened weights the share of each user stands. The
    users are cut into chunks, none of which spans two rows or is much longer than the others, so
    that threads share the work: starts, where each begins; owners, the table row of each.
    """

    index: Int[Tensor, "m bag"]
    users: Int[Tensor, " uses"]
    shares: Int[Tensor, " uses"]
    starts: Int[Tensor, " chunks"]
    owners: Int[Tensor, " chunks"]

    @classmethod
    def of(cls, sources: list[tuple[Int[Tensor, " m"], int]], heads: int = 1) -> "Bags":
        """Return the bags of sources given as (distinct row of each result, number of rows).

        The table row of head h and distinct row r of source j is `(offset_j + r) · heads + h`; the
        heads of a source stand side by side in a bag.
        """
        head = torch.arange(heads, device=sources[0][0].device)
        columns, offset = [], 0
        for rows, k in sources:
            columns.append((offset + rows).unsqueeze(1) * heads + head)
            offset += k
        index = torch.cat(columns, dim=1)
        shares = torch.argsort(index.flatten(), stable=True)
        counts = torch.bincount(index.flatten(), minlength=offset * heads)
        users = shares.div(index.shape[1], rounding_mode="floor")
        chunks = (counts + CHUNK - 1).div(CHUNK, rounding_mode="floor")
        owners = torch.repeat_interleave(chunks)
        rank = torch.arange(len(owners), device=index.device) - (chunks.cumsum(0) - chunks)[owners]
        starts = (counts.cumsum(0) - counts)[owners] + rank * CHUNK
        return cls(index, users, shares, starts, owners)


pytree.register_dataclass(Bags)


def mix(
    weights: Float[Tensor, "m bag"], tables: Float[Tensor, "rows out"], bags: Bags
) -> Float[Tensor, "m out"]:
    """Return Σ_s weights[:, s] · tables[index[:, s]]; twice differentiable, and under vmap."""
    mixed: Tensor = _Mix.apply(  # type: ignore[no-untyped-call]
        weights, tables, bags.index, bags.users, bags.shares, bags.starts, bags.owners
    )
    return mixed


def mix_plainly(
    weights: Float[Tensor, "m bag"], tables: Float[Tensor, "rows out"], index: Int[Tensor, "m bag"]
) -> Float[Tensor, "m out"]:
    """Return the same by gathering every row: the obvious twin of `mix`."""
    rows = tables.index_select(0, index.flatten()).unflatten(0, index.shape)  # type: ignore[no-untyped-call]
    mixed: Tensor = (weights.unsqueeze(-1) * rows).sum(1)
    return mixed


class _Mix(torch.autograd.Function):
    """`mix` as one sum over bags; the gradient of the tables is such a sum seen from the tables."""

    @staticmethod
    def forward(weights: Tensor, tables: Tensor, index: Tensor, *others: Tensor) -> Tensor:
        return F.embedding_bag(index, tables, per_sample_weights=weights, mode="sum")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        weights, tables, index, users, shares, starts, owners = ctx.saved_tensors
        nothing = (None,) * 5
        need_weights, need_tables = ctx.needs_input_grad[:2]
        if torch.is_grad_enabled():  # a gradient that will itself be differentiated
            return *_plain_gradients(weights, tables, index, gradient), *nothing
        for_weights = for_tables = None
        if need_weights:
            for_weights = _dots(gradient, tables, index)
        if need_tables:
            flat = weights.reshape(-1).index_select(0, shares)
            parts = F.embedding_bag(
                users, gradient.contiguous(), starts, per_sample_weights=flat, mode="sum"
            )
            for_tables = torch.zeros_like(tables).index_add_(0, owners, parts)
        return for_weights, for_tables, *nothing

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> Tensor:
        weights, tables, index = ctx.saved_tensors[:3]
        along = torch.zeros_like(weights[:, :1] * tables[:1])
        if tangents[0] is not None:
            along = along + mix_plainly(tangents[0], tables, index)
        if tangents[1] is not None:
            along = along + mix_plainly(weights, tangents[1], index)
        return along

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Tensor) -> tuple[Tensor, int]:
        return torch.vmap(mix_plainly, in_dims=in_dims[:3])(*inputs[:3]), 0


def _dots(gradient: Tensor, tables: Tensor, index: Tensor) -> Tensor:
    """Return gradient[i] · tables[index[i, s]], shape [m, bag].

    The rows are padded to a multiple of the vector width, without which the products are taken
    four times more slowly.
    """
    m, bag = index.shape
    padding = -tables.shape[1] % VECTOR
    if padding:
        gradient, tables = F.pad(gradient, (0, padding)), F.pad(tables, (0, padding))
    numbers = torch.arange(m, device=index.device)
    dots: Tensor = torch.ops.aten._embedding_bag_per_sample_weights_backward(
        gradient.contiguous(),
        tables,
        index.reshape(-1),
        numbers * bag,
        numbers.repeat_interleave(bag),
        0,
    )
    return dots.view(m, bag)


def _plain_gradients(
    weights: Tensor, tables: Tensor, index: Tensor, gradient: Tensor
) -> tuple[Tensor, Tensor]:
    rows = tables.index_select(0, index.flatten()).unflatten(0, index.shape)  # type: ignore[no-untyped-call]
    for_rows = (weights.unsqueeze(-1) * gradient.unsqueeze(1)).flatten(0, 1)
    for_tables = torch.zeros_like(tables).index_add(0, index.flatten(), for_rows)
    return (rows * gradient.unsqueeze(1)).sum(-1), for_tables
