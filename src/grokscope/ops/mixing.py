"""Sums of few distinct rows: what attention over shared rows mixes, without forming its inputs.

Row i of the result is offset + Σ_s weights[i, s] · tables[index[i, s]], rectified if asked for. In
the first layer of a network on p² sequences the tables have some 2p rows for each head, so a
linear map that follows attention is cheaper on the tables than on the p² mixtures: it commutes
with the sum.
"""

import itertools
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils import _pytree as pytree

from grokscope.ops import kernels
from grokscope.ops.function import Function


@dataclass(frozen=True)
class Bags:
    """Which table rows each result mixes, and, seen from the tables, which results use each row.

    index: table rows, shape [m, bag]. rows: all table rows, those of the same users together;
    users: the results that use rows[0], then rows[1], and so on, shape [m · bag]; shares: where in
    the flattened weights the share of each user stands; starts: where the users of each row begin,
    and the end.
    """

    index: Int[Tensor, "m bag"]
    rows: Int[Tensor, " rows"]
    users: Int[Tensor, " uses"]
    shares: Int[Tensor, " uses"]
    starts: Int[Tensor, " rows+1"]

    @classmethod
    def of(cls, sources: list[tuple[Int[Tensor, " m"], int]], heads: int = 1) -> "Bags":
        """Return the bags of sources given as (distinct row of each result, number of rows).

        With k rows in all sources together, the table row of head h and distinct row r of source
        j is `h · k + offset_j + r`; the heads of a source stand side by side in a bag.
        """
        head = torch.arange(heads, device=sources[0][0].device)
        *offsets, k = itertools.accumulate((size for _, size in sources), initial=0)
        pairs = zip(sources, offsets, strict=True)
        columns = [(offset + rows).unsqueeze(1) + head * k for (rows, _), offset in pairs]
        by_user = torch.arange(heads * k, device=head.device).view(heads, k).t().flatten()
        return cls._from(torch.cat(columns, dim=1), by_user)

    @classmethod
    def _from(cls, index: Tensor, rows: Tensor) -> "Bags":
        visit = torch.argsort(rows)[index].flatten()
        shares = torch.argsort(visit, stable=True)
        users = shares.div(index.shape[1], rounding_mode="floor")
        counts = torch.bincount(visit, minlength=len(rows))
        starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return cls(index, rows, users, shares, starts)

    def part(self, rows: slice) -> "Bags":
        """Return some of the results, mixed from the same tables."""
        return self._from(self.index[rows].contiguous(), self.rows)


pytree.register_dataclass(Bags)


def mix(
    weights: Float[Tensor, "m bag"],
    tables: Float[Tensor, "rows out"],
    bags: Bags,
    offset: Float[Tensor, " out"],
    *,
    rectify: bool = False,
) -> Float[Tensor, "m out"]:
    """Return the mixtures; twice differentiable, forward and under vmap."""
    mixed: Tensor = _Mix.apply(  # type: ignore[no-untyped-call]
        weights,
        tables,
        offset,
        rectify,
        bags.index,
        bags.rows,
        bags.users,
        bags.shares,
        bags.starts,
    )
    return mixed


def mix_plainly(
    weights: Tensor, tables: Tensor, index: Tensor, offset: Tensor, *, rectify: bool = False
) -> Tensor:
    """Return the same by gathering every row: the obvious twin of `mix`."""
    mixed = _gathered(weights, tables, index) + offset
    return torch.relu(mixed) if rectify else mixed


def plain_gradients(
    gradient: Tensor, weights: Tensor, tables: Tensor, index: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the gradients of weights and tables by gathering every row."""
    rows = _rows(tables, index)
    for_rows = (weights.unsqueeze(-1) * gradient.unsqueeze(1)).flatten(0, 1)
    for_tables = torch.zeros_like(tables).index_add(0, index.flatten(), for_rows)
    return (rows * gradient.unsqueeze(1)).sum(-1), for_tables


class _Mix(Function):
    """`mix` by compiled loops on a CPU, and by gathering rows where there are none."""

    @staticmethod
    def forward(
        weights: Tensor, tables: Tensor, offset: Tensor, rectify: bool, *bags: Tensor
    ) -> Tensor:
        if tables.device.type != "cpu":
            return mix_plainly(weights, tables, bags[0], offset, rectify=rectify)
        mixed = tables.new_empty(len(weights), tables.shape[1])
        arrays = (x.detach().contiguous().numpy() for x in (weights, tables, bags[0], offset))
        kernels.mix_rows(*arrays, rectify, mixed.numpy())
        return mixed

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        weights, tables, offset, ctx.rectify, *bags = inputs
        ctx.save_for_backward(weights, tables, output, *bags)
        ctx.save_for_forward(weights, tables, offset, bags[0])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        weights, tables, mixed, index, *uses = ctx.saved_tensors
        nothing = (None,) * 6
        if torch.is_grad_enabled() or tables.device.type != "cpu":
            if ctx.rectify:
                gradient = gradient * (mixed > 0)
            parts = plain_gradients(gradient, weights, tables, index)
            return *parts, gradient.sum(0), *nothing
        gradient = gradient.contiguous()
        if ctx.rectify:
            passed, for_offset = torch.empty_like(gradient), gradient.new_empty(gradient.shape[1])
            outputs = passed.numpy(), for_offset.numpy()
            kernels.rectified_gradient(gradient.numpy(), mixed.numpy(), *outputs)
            gradient = passed
        else:
            for_offset = gradient.sum(0)
        for_weights, for_tables = torch.empty_like(weights), torch.empty_like(tables)
        inputs = (gradient, weights.reshape(-1), tables, *uses)
        arrays = (x.detach().contiguous().numpy() for x in inputs)
        kernels.unmix_rows(*arrays, for_weights.view(-1).numpy(), for_tables.numpy())
        return for_weights, for_tables, for_offset, *nothing

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> Tensor:
        weights, tables, offset, index = ctx.saved_tensors
        along = torch.zeros_like(_gathered(weights, tables, index))
        if tangents[0] is not None:
            along = along + _gathered(tangents[0], tables, index)
        if tangents[1] is not None:
            along = along + _gathered(weights, tangents[1], index)
        if tangents[2] is not None:
            along = along + tangents[2]
        if ctx.rectify:
            along = along * (mix_plainly(weights, tables, index, offset) > 0)
        return along

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Tensor, int]:
        weights, tables, offset, rectify, index = inputs[:5]
        axes = (in_dims[0], in_dims[1], in_dims[4], in_dims[2])
        plain = torch.vmap(
            lambda w, t, i, o: mix_plainly(w, t, i, o, rectify=rectify), in_dims=axes
        )
        return plain(weights, tables, index, offset), 0


def _rows(tables: Tensor, index: Tensor) -> Tensor:
    return tables.index_select(0, index.flatten()).unflatten(0, index.shape)  # type: ignore[no-untyped-call, no-any-return]


def _gathered(weights: Tensor, tables: Tensor, index: Tensor) -> Tensor:
    mixed: Tensor = (weights.unsqueeze(-1) * _rows(tables, index)).sum(1)
    return mixed
