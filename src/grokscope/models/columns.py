"""What networks on one-hot symbols share: each symbol is a column of the concatenated input."""

import itertools
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from grokscope.models.base import Network
from grokscope.models.layers import Table
from grokscope.models.probe import Probe
from grokscope.ops.mixing import Bags, mix, mix_plainly
from grokscope.tasks.base import Signature


class Columns(Network):
    """A network that multiplies features, concatenated one-hot vectors or embeddings first.

    That product with one-hot vectors is a sum of one term for each symbol, and there are only as
    many distinct terms as symbols: multiply the table, then gather. inputs: how many numbers enter;
    d_embed: dimension of each embedding, None for one-hot vectors; summed: whether all operands
    share their columns.
    """

    def __init__(self, signature: Signature, *, d_embed: int | None, summed: bool = False) -> None:
        super().__init__()
        self._factors = signature.factors
        sizes = [factor.size for factor in signature.factors]
        self._offsets = list(itertools.accumulate(sizes, initial=0))
        self._shared = sizes[0] if summed else 0
        self.inputs = signature.num_features or self._shared or self._offsets[-1]
        self.embeddings = Probe()
        self.embed: Table | None = None
        if d_embed is not None and sizes:
            self.embed = Table(self._offsets[-1], d_embed)
            self.inputs = d_embed * len(sizes)

    def prepare(self, inputs: Tensor, *, share: bool = True) -> Tensor | Bags:
        """Return features [n, f] as they are, and tokens as columns of the one-hot input.

        The columns are [n, factors], or bags of them where terms are shared.
        """
        if not self._factors:
            return inputs
        pairs = list(zip(self._factors, self._offsets, strict=False))
        if share:
            return Bags.of([(inputs[:, f.position] - f.start, f.size) for f, _ in pairs])
        return torch.stack([inputs[:, f.position] - f.start + at for f, at in pairs], dim=1)

    def part(self, prepared: Tensor | Bags, rows: slice) -> Tensor | Bags:
        """Return some of the examples."""
        return prepared.part(rows) if isinstance(prepared, Bags) else prepared[rows]

    def forward(self, prepared: Tensor | Bags) -> Tensor:
        """Return logits [n, classes]."""
        return self.finish(self.begin(prepared), prepared)

    def terms(self, weight: Tensor) -> tuple[Tensor, ...]:
        """Return what each symbol adds to W x for W [units, inputs]: a table [symbols, units].

        There is none for features, nor where somebody watches what enters.
        """
        if not self._factors or self.embeddings.watched:
            return ()
        if self.embed is None:
            table = weight.t()
            return (table.repeat(len(self._factors), 1) if self._shared else table.contiguous(),)
        rows = self.embed.weight.split([factor.size for factor in self._factors])  # type: ignore[no-untyped-call]
        chunks = weight.chunk(len(rows), dim=1)
        return (torch.cat([F.linear(row, c) for row, c in zip(rows, chunks, strict=True)]),)

    @staticmethod
    def gathered(
        table: Tensor, prepared: Tensor | Bags, bias: Tensor, *, rectify: bool = False
    ) -> Tensor:
        """Return W x + b [n, units], the sum of an example's rows of `terms`; ReLU of it."""
        index = prepared.index if isinstance(prepared, Bags) else prepared
        ones = table.new_ones(index.shape)
        if isinstance(prepared, Bags):
            return mix(ones, table, prepared, bias, rectify=rectify)
        sums = mix_plainly(ones, table, index, bias)
        return F.relu(sums) if rectify else sums

    def dense(self, prepared: Tensor | Bags, dtype: torch.dtype) -> Tensor:
        """Return features, one-hot vectors or embeddings of each example, shape [n, inputs]."""
        if not self._factors:
            return cast(Tensor, prepared).to(dtype)
        columns = prepared.index if isinstance(prepared, Bags) else prepared
        if self.embed is not None:
            return cast(Tensor, self.embed(columns.flatten())).view(len(columns), -1)
        if self._shared:
            columns = columns % self._shared  # every factor begins at a multiple of its size
        every = torch.arange(self._shared or self._offsets[-1], device=columns.device)
        return (columns.unsqueeze(-1) == every).sum(1).to(dtype)
