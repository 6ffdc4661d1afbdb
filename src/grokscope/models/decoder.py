"""The network of a transformer of any depth, computed once for each distinct prefix."""

import functools
import math
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from grokscope.models.base import Network
from grokscope.models.layers import ACTIVATIONS, Linear, Table
from grokscope.models.probe import Probe
from grokscope.ops.prefixes import Prefixes, Rows, stack, unstack
from grokscope.ops.products import linear
from grokscope.tasks.base import Signature

if TYPE_CHECKING:
    from grokscope.models.transformer import Transformer


class Decoder(Network):
    """Embeddings, blocks, unembedding; the values of each position are Rows."""

    def __init__(self, config: "Transformer", signature: Signature) -> None:
        super().__init__()
        d = self.width = config.d_model
        self._causal = config.causal
        self._classes = signature.num_classes
        self._answers = signature.num_answers
        self.embed = Table(signature.vocab_size, d)
        self.position = Table(signature.seq_len, d)
        self.embeddings = Probe()
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.norm = nn.LayerNorm(d) if config.norm == "pre" else None
        self.representation = Probe()
        self.unembed = None if config.tied else Linear(d, signature.num_classes, bias=False)

    @property
    def unembedding(self) -> Tensor:
        """The matrix that turns the representation into logits, shape [classes, d]."""
        return self.embed.weight[: self._classes] if self.unembed is None else self.unembed.weight

    def prepare(self, inputs: Tensor, *, share: bool = True) -> Prefixes:
        """Return the sequences [n, s] with the prefixes they share."""
        return Prefixes.shared(inputs, causal=self._causal) if share else Prefixes.plain(inputs)

    def part(self, prepared: Prefixes, rows: slice) -> Prefixes:
        """Return some of the sequences with the prefixes that those share."""
        return Prefixes.shared(prepared.tokens[rows], causal=self._causal)

    def forward(self, prepared: Prefixes) -> Tensor:
        """Return the logits of the last position, shape [n, classes].

        With several answers those of as many last positions, shape [n, answers, classes].
        """
        if any(probe.watched for name, probe in self.probes.items() if name != "representation"):
            prepared = prepared.to_plain()
        rows = [
            Rows(self.embed(level.symbols) + self.position.weight[i], level.symbol)
            for i, level in enumerate(prepared.levels)
        ]
        x = at_probe(self.embeddings, rows)
        last = len(x) - 1
        read = range(last + 1 - self._answers, last + 1)
        for number, block in enumerate(self.blocks):
            everywhere = range(last + 1) if number + 1 < len(self.blocks) else read
            x = block(x, prepared, everywhere)
        if self._answers > 1:
            return self._several(x, [prepared.levels[i].examples for i in read])
        answer, examples = normed(self.norm, x[-1]), prepared.levels[last].examples
        if self.representation.watched:
            shown: Tensor = self.representation(answer.at(examples).expand())
            return linear(shown, self.unembedding)
        return answer.map(lambda y: linear(y, self.unembedding)).at(examples).expand()

    def _several(self, x: list[Rows], examples: list[Tensor | None]) -> Tensor:
        """Return the logits of several positions, shape [n, answers, classes]."""
        answers = [normed(self.norm, row).at(index) for row, index in zip(x, examples, strict=True)]
        if self.representation.watched:
            shown: Tensor = self.representation(stack(answers))
            return F.linear(shown, self.unembedding)
        return stack([row.map(lambda y: F.linear(y, self.unembedding)) for row in answers])


class Block(nn.Module):
    """Attention and MLP, each added to the residual stream."""

    def __init__(self, config: "Transformer") -> None:
        super().__init__()
        d, norm = config.d_model, config.norm
        self._post = norm == "post"
        self.attention = Attention(config)
        self.attention_norm = None if norm == "none" else nn.LayerNorm(d)
        self.mlp = Perceptron(config) if config.d_mlp else None
        self.mlp_norm = nn.LayerNorm(d) if config.d_mlp and norm != "none" else None
        self.output = Probe()

    def forward(self, x: list[Rows], prefixes: Prefixes, wanted: Sequence[int]) -> list[Rows]:
        """Return the residual stream after this block at the wanted positions."""
        seen = x if self._post else [normed(self.attention_norm, row) for row in x]
        attended = self.attention(seen, prefixes, wanted)
        x = [Rows(x[i].expand() + y) for i, y in zip(wanted, attended, strict=True)]
        if self._post:
            x = [normed(self.attention_norm, row) for row in x]
        if self.mlp is not None:
            added = self.mlp(x if self._post else [normed(self.mlp_norm, row) for row in x])
            x = [Rows(row.values + y) for row, y in zip(x, added, strict=True)]
            if self._post:
                x = [normed(self.mlp_norm, row) for row in x]
        return at_probe(self.output, x)


class Attention(nn.Module):
    """Multi-head attention of one query position at a time to the rows it sees."""

    def __init__(self, config: "Transformer") -> None:
        super().__init__()
        d, biases = config.d_model, config.attention_biases
        self._causal = config.causal
        self.heads = config.num_heads
        self.scale = 1 / math.sqrt(d // config.num_heads)
        self.query = Linear(d, d, bias=biases)
        self.key = Linear(d, d, bias=biases)
        self.value = Linear(d, d, bias=biases)
        self.output = Linear(d, d, bias=biases)
        self.pattern = Probe()
        self.rate = config.attention_rate

    def forward(self, rows: list[Rows], prefixes: Prefixes, wanted: Sequence[int]) -> list[Tensor]:
        """Return what attention adds to the residual stream at each wanted position."""
        keys = [row.map(lambda x: self.by_head(self.key(x))) for row in rows]
        values = [row.map(lambda x: self.by_head(self.value(x))) for row in rows]
        patterns = []
        for i in wanted:
            query = rows[i].map(lambda x: self.by_head(self.query(x) * self.scale))
            scores = [dot(query, key) for key in self._visible(keys, prefixes, i)]
            pattern = torch.softmax(torch.stack(scores), dim=0)
            patterns.append(pattern if self.rate == 1 else self.rate * pattern + (1 - self.rate))
        added = []
        for i, pattern in zip(wanted, self._at_pattern(patterns, len(rows)), strict=True):
            visible = self._visible(values, prefixes, i)
            terms = [w[..., None] * v.expand() for w, v in zip(pattern, visible, strict=False)]
            mixed = functools.reduce(operator.add, terms)
            added.append(self.output(rearrange(mixed, "m h k -> m (h k)")))
        return added

    def by_head(self, x: Tensor) -> Tensor:
        """Return the rows [m, d] as [m, heads, d / heads]."""
        return rearrange(x, "m (h k) -> m h k", h=self.heads)

    def _visible(self, rows: list[Rows], prefixes: Prefixes, i: int) -> list[Rows]:
        """Return what position i attends to, one row for each of its own rows."""
        ancestors = prefixes.levels[i].ancestors
        before = [row.at(index) for row, index in zip(rows[:i], ancestors, strict=True)]
        return before + (rows[i : i + 1] if self._causal else rows[i:])

    def _at_pattern(self, patterns: list[Tensor], s: int) -> list[Tensor]:
        """Show the patterns [keys, n, heads] of all queries to the probe as [n, heads, q, s]."""
        if not self.pattern.watched:
            return patterns
        padded = [F.pad(part.permute(1, 2, 0), (0, s - len(part))) for part in patterns]
        shown: Tensor = self.pattern(torch.stack(padded, dim=2))
        return [part.permute(2, 0, 1) for part in shown.unbind(2)]


class Perceptron(nn.Module):
    """The MLP of a block."""

    def __init__(self, config: "Transformer") -> None:
        super().__init__()
        self.activation = config.activation
        self.expand = Linear(config.d_model, config.d_mlp, bias=config.mlp_biases)
        self.hidden = Probe()
        self.contract = Linear(config.d_mlp, config.d_model, bias=config.mlp_biases)

    def forward(self, x: Sequence[Rows]) -> list[Tensor]:
        """Return what the MLP adds to the residual stream at each position."""
        function = ACTIVATIONS[self.activation]
        hidden = [row.map(lambda y: function(self.expand(y))) for row in x]
        return [self.contract(row.values) for row in at_probe(self.hidden, hidden)]


def at_probe(probe: Probe, rows: list[Rows]) -> list[Rows]:
    """Show the rows of all positions to a probe as [n, s, d], if somebody watches."""
    return unstack(probe(stack(rows))) if probe.watched else rows


def normed(norm: nn.Module | None, rows: Rows) -> Rows:
    """Return the rows after a norm, or unchanged without one."""
    return rows if norm is None else rows.map(norm)


def dot(query: Rows, key: Rows) -> Tensor:
    """Return q·k for each row and head, shape [m, heads].

    Where few distinct queries meet few distinct keys, their products are taken once each and
    gathered; otherwise the rows are expanded and multiplied.
    """
    if query.index is not None and key.index is not None:
        distinct = query.values.shape[0] * key.values.shape[0]
        if distinct <= len(key.index):
            products = torch.einsum("qhk,rhk->qrh", query.values, key.values).flatten(0, 1)
            pair = query.index * key.values.shape[0] + key.index
            return products.index_select(0, pair)
    return (query.expand() * key.expand()).sum(-1)
