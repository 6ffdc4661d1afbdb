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


@dataclass(frozen=True)
class Group:
    """The rows of a result by the table row that one source (position) gives them.

    slots: for each of the source's k table rows the results that use it, padded with result 0,
    shape [k, most]; filled: 1 where a slot is used and 0 where it is padding; place: where each
    result stands in the flattened slots, shape [m].
    """

    slots: Int[Tensor, "k most"]
    filled: Float[Tensor, "k most 1"]
    place: Int[Tensor, " m"]

    @classmethod
    def of(cls, index: Int[Tensor, " m"], k: int) -> "Group":
        """Group the results by the table row, out of k, that each uses."""
        counts = torch.bincount(index, minlength=k)
        most = int(counts.max())
        order = torch.argsort(index, stable=True)
        first = counts.cumsum(0) - counts
        rank = torch.empty_like(order)
        rank[order] = torch.arange(len(order), device=order.device) - first[index[order]]
        place = index * most + rank
        slots = torch.zeros(k * most, dtype=torch.int64, device=index.device)
        slots[place] = torch.arange(len(index), device=index.device)
        filled = torch.zeros(k * most, device=index.device)
        filled[place] = 1
        return cls(slots.view(k, most), filled.view(k, most, 1), place)


@dataclass(frozen=True)
class Bags:
    """Which table rows each result mixes: heads · sources of them.

    index: table rows, shape [m, sources · heads], the heads of a source side by side; the table
    row of head h and distinct row r of source j is `(offset_j + r) · heads + h`. groups: one for
    each source.
    """

    index: Int[Tensor, "m bag"]
    groups: tuple[Group, ...]

    @classmethod
    def of(cls, sources: list[tuple[Int[Tensor, " m"], int]], heads: int) -> "Bags":
        """Return the bags of sources given as (distinct row of each result, number of rows)."""
        head = torch.arange(heads, device=sources[0][0].device)
        columns, offset = [], 0
        for index, k in sources:
            columns.append((offset + index).unsqueeze(1) * heads + head)
            offset += k
        groups = tuple(Group.of(index, k) for index, k in sources)
        return cls(torch.cat(columns, dim=1), groups)


for _tree in (Group, Bags):
    pytree.register_dataclass(_tree)


def mix(
    weights: Float[Tensor, "m bag"], tables: Float[Tensor, "rows out"], bags: Bags
) -> Float[Tensor, "m out"]:
    """Return Σ_s weights[:, s] · tables[index[:, s]]; twice differentiable, and under vmap."""
    leaves, spec = pytree.tree_flatten(bags)
    mixed: Tensor = _Mix.apply(weights, tables, spec, *leaves)  # type: ignore[no-untyped-call]
    return mixed


def mix_plainly(
    weights: Float[Tensor, "m bag"], tables: Float[Tensor, "rows out"], bags: Bags
) -> Float[Tensor, "m out"]:
    """Return the same by gathering every row: the obvious twin of `mix`."""
    m, bag = bags.index.shape
    rows = tables.index_select(0, bags.index.flatten()).view(m, bag, -1)
    return (weights.unsqueeze(-1) * rows).sum(1)


class _Mix(torch.autograd.Function):
    """`mix` with a forward pass in one bag sum and a backward pass grouped by table row."""

    @staticmethod
    def forward(weights: Tensor, tables: Tensor, spec: Any, *leaves: Tensor) -> Tensor:
        bags: Bags = pytree.tree_unflatten(leaves, spec)
        return F.embedding_bag(bags.index, tables, per_sample_weights=weights, mode="sum")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        weights, tables, spec, *leaves = inputs
        ctx.save_for_backward(weights, tables, *leaves)
        ctx.save_for_forward(weights, tables, *leaves)
        ctx.spec = spec

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        weights, tables, *leaves = ctx.saved_tensors
        bags: Bags = pytree.tree_unflatten(leaves, ctx.spec)
        heads = bags.index.shape[1] // len(bags.groups)
        for_weights, for_tables, start = [], [], 0
        for number, group in enumerate(bags.groups):
            k, most = group.slots.shape
            own = weights[:, number * heads : (number + 1) * heads]
            rows = tables[start * heads : (start + k) * heads].view(k, heads, -1)
            start += k
            if k == 1:
                for_weights.append(gradient @ rows[0].T)
                for_tables.append(own.T @ gradient)
                continue
            slots = group.slots.flatten()
            spread = gradient.index_select(0, slots).view(k, most, -1)
            shares = own.index_select(0, slots).view(k, most, heads) * group.filled
            products = torch.bmm(spread, rows.transpose(1, 2)).flatten(0, 1)
            for_weights.append(products.index_select(0, group.place))
            for_tables.append(torch.bmm(shares.transpose(1, 2), spread).flatten(0, 1))
        nothing = (None,) * (1 + len(leaves))
        return torch.cat(for_weights, dim=1), torch.cat(for_tables), *nothing

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> Tensor:
        weights, tables, *leaves = ctx.saved_tensors
        bags: Bags = pytree.tree_unflatten(leaves, ctx.spec)
        along = torch.zeros_like(weights[:, :1] * tables[:1])
        if tangents[0] is not None:
            along = along + mix_plainly(tangents[0], tables, bags)
        if tangents[1] is not None:
            along = along + mix_plainly(weights, tangents[1], bags)
        return along

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[Any, ...],
        weights: Tensor,
        tables: Tensor,
        spec: Any,
        *leaves: Any,
    ) -> tuple[Tensor, int]:
        def plain(weights: Tensor, tables: Tensor, *leaves: Tensor) -> Tensor:
            return mix_plainly(weights, tables, pytree.tree_unflatten(leaves, spec))

        dims = (in_dims[0], in_dims[1], *in_dims[3:])
        return torch.vmap(plain, in_dims=dims)(weights, tables, *leaves), 0
