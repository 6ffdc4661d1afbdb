"""One layer without LayerNorm: linear maps are taken on distinct rows, before attention mixes them.

What attention brings to the last position is Σ_h Σ_j a[h, j] · W_O[h] v[h, j] over the rows v of
the symbols at the positions j, of which there are some 2p where there are p² examples. Everything
linear that follows (the MLP's first matrix, the unembedding) commutes with that sum and is applied
to the rows. The patterns of a head sum to 1, so the rows of a position that always holds the same
symbol (`=`) become a constant and the other rows differences from them.
"""

import itertools
from dataclasses import dataclass
from typing import Any, cast

import torch
from einops import rearrange
from torch import Tensor
from torch.utils import _pytree as pytree

from grokscope.models.decoder import Block, Decoder
from grokscope.models.layers import ACTIVATIONS
from grokscope.ops.mixing import Bags, mix
from grokscope.ops.prefixes import Prefixes, take
from grokscope.ops.products import linear, product


@dataclass(frozen=True)
class Mixture:
    """What the last position mixes: rows of distinct symbols, those of its own symbol last.

    symbols, positions: of each of the k distinct rows; rows: which of them stand at the positions
    of each example, shape [n, s]; bags: the rows of all heads at all positions but the last.
    """

    symbols: Tensor
    positions: Tensor
    rows: Tensor
    bags: Bags

    def part(self, rows: slice) -> "Mixture":
        """Return some of the examples."""
        return Mixture(self.symbols, self.positions, self.rows[rows], self.bags.part(rows))


@dataclass(frozen=True)
class Sequences:
    """Prepared inputs: the sequences, and what the last position mixes where that pays."""

    prefixes: Prefixes
    mixture: Mixture | None


for _tree in (Mixture, Sequences):
    pytree.register_dataclass(_tree)


class OneLayer(Decoder):
    """A decoder of one block without norm; equal to its parent, which it is when probes watch."""

    def prepare(self, inputs: Tensor, *, share: bool = True) -> Any:
        """Return the sequences [n, s] with what is shared between them."""
        prefixes = super().prepare(inputs, share=share)
        heads = self._block.attention.heads
        return Sequences(prefixes, mixture_of(prefixes, heads) if share else None)

    def part(self, prepared: Any, rows: slice) -> Any:
        """Return some of the sequences."""
        mixture = prepared.mixture
        prefixes = super().part(prepared.prefixes, rows)
        return Sequences(prefixes, None if mixture is None else mixture.part(rows))

    def forward(self, prepared: Any) -> Tensor:
        """Return the logits of the last position, shape [n, classes]."""
        return self.finish(self.begin(prepared), prepared)

    def begin(self, prepared: Any) -> tuple[Tensor, ...]:
        """Return scores [k, heads], and tables, offset and matrix of each reader.

        The readers are the hidden units and the logits (or the representation, if it is watched).
        The matrix takes the hidden units to the logits.
        """
        mixture = self._mixture(prepared)
        if mixture is None:
            return ()
        mlp, attention = self._block.mlp, self._block.attention
        x = self.embed(mixture.symbols) + self.position(mixture.positions)
        own = x[-1]
        query = attention.by_head(attention.query(x[-1:]) * attention.scale)[0]
        scores = (attention.by_head(attention.key(x)) * query).sum(-1)
        values = attention.by_head(attention.value(x))
        after = own if attention.output.bias is None else own + attention.output.bias
        reader = None if self.representation.watched else self.unembedding
        output = attention.output.weight
        if mlp is None:
            return scores, *_read(values, output, after, reader)
        end = after if mlp.contract.bias is None else after + mlp.contract.bias
        hidden = _read(values, output, after, mlp.expand.weight)
        if mlp.expand.bias is not None:
            hidden = hidden[0], hidden[1] + mlp.expand.bias
        matrix = mlp.contract.weight if reader is None else product(reader, mlp.contract.weight)
        return scores, *_read(values, output, end, reader), *hidden, matrix

    def finish(self, begun: tuple[Tensor, ...], part: Any) -> Tensor:
        """Return the logits of a part, shape [n, classes]."""
        if not begun:
            return super().forward(part.prefixes)
        scores, tables, offset, *hidden = begun
        mixture = part.mixture
        n, s = mixture.rows.shape
        seen = scores.index_select(0, mixture.rows.flatten()).view(n, s, -1)
        pattern = rearrange(torch.softmax(seen, dim=1)[:, :-1], "n s h -> n (s h)")
        answer = mix(pattern, tables, mixture.bags, offset)
        if self._block.mlp is not None:
            activation = self._block.mlp.activation
            rectify = activation == "relu"
            units = mix(pattern, hidden[0], mixture.bags, hidden[1], rectify=rectify)
            if not rectify:
                units = ACTIVATIONS[activation](units)
            answer = answer + linear(units, hidden[2])
        if self.representation.watched:
            return linear(self.representation(answer), self.unembedding)
        return answer

    @property
    def _block(self) -> Block:
        return cast(Block, self.blocks[0])

    def _mixture(self, prepared: Any) -> Mixture | None:
        """Return what is mixed; None where a probe inside the block wants every example."""
        inside = (name for name in self.probes if name != "representation")
        if any(self.probes[name].watched for name in inside):
            return None
        mixture: Mixture | None = prepared.mixture
        return mixture


def _read(
    values: Tensor, output: Tensor, after: Tensor, reader: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return what a matrix [out, d] reads: a table [heads · (k - 1), out], an offset [out].

    values: [k, heads, d / heads]; output: [d, d]; after: what is added to attention, [d].
    """
    weight = output if reader is None else product(reader, output)
    by_head = rearrange(weight, "o (h k) -> h k o", h=values.shape[1])
    others = (values[:-1] - values[-1]).transpose(0, 1)
    offset = weight @ values[-1].flatten() + (after if reader is None else reader @ after)
    return torch.bmm(others, by_head).flatten(0, 1), offset


def mixture_of(prefixes: Prefixes, heads: int) -> Mixture | None:
    """Return what the last position mixes in the first layer.

    None where its own symbol varies, or where the rows of all heads together are more than the
    mixtures: then mapping the mixtures is the cheaper order.
    """
    levels, last = prefixes.levels, prefixes.levels[-1]
    sizes = [len(level.symbols) for level in levels]
    if len(levels) < 2 or sizes[-1] > 1 or heads * sum(sizes) > len(prefixes.tokens):
        return None
    sources = []
    for level, reach in zip(levels, (*last.ancestors, None), strict=True):
        index = take(take(level.symbol, reach), last.examples)
        if index is None:
            index = torch.arange(len(prefixes.tokens), device=level.symbols.device)
        sources.append((index, len(level.symbols)))
    starts = itertools.accumulate(sizes, initial=0)
    rows = torch.stack([i + start for (i, _), start in zip(sources, starts, strict=False)], dim=1)
    positions = torch.cat([torch.full_like(x.symbols, i) for i, x in enumerate(levels)])
    symbols = torch.cat([x.symbols for x in levels])
    return Mixture(symbols, positions, rows, Bags.of(sources[:-1], heads))
