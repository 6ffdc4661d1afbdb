"""The decoder-only transformer: pre-norm, post-norm or none; causal or not; with or without MLP."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from grokscope.errors import ConfigError
from grokscope.models.base import MODELS, Model, Network
from grokscope.models.init import Init
from grokscope.models.layers import ACTIVATIONS, Activation, Linear, Table
from grokscope.models.probe import Probe
from grokscope.ops.mixing import Bags
from grokscope.ops.prefixes import Prefixes, Rows, stack, take, unstack
from grokscope.ops.residual import Constant, Mixed, Product, Stream, Term, total
from grokscope.tasks.base import Signature
from grokscope.typing import Ge, Gt


@MODELS.register
@dataclass(frozen=True, kw_only=True)
class Transformer(Model):
    """A transformer that reads its answer at the last position.

    One layer, no norm and ReLU is the network of Nanda et al. (2023); `d_mlp: 0` is attention-only.
    Probes: `embeddings` [n, s, d]; in each block `attention.pattern` [n, heads, queries, s],
    `mlp.hidden` [n, queries, d_mlp] and `output` [n, queries, d]; `representation` [n, d]. Only the
    last position is read, so the last block computes one query there and earlier blocks all s.
    """

    kind: Literal["transformer"] = "transformer"
    num_layers: Annotated[int, Ge(1)] = 1
    """Number of blocks."""
    d_model: Annotated[int, Gt(0)] = 128
    """Dimension d of the residual stream."""
    num_heads: Annotated[int, Gt(0)] = 4
    """Attention heads of a block; must divide d_model."""
    d_mlp: Annotated[int, Ge(0)] = 512
    """Hidden units of a block's MLP; 0 leaves the MLP out."""
    activation: Activation = "relu"
    """Nonlinearity of the MLP."""
    norm: Literal["pre", "post", "none"] = "none"
    """LayerNorm before each sublayer (and before the unembedding), after it, or nowhere."""
    causal: bool = True
    """Whether a position sees only itself and what is before it."""
    attention_biases: bool = False
    """Whether the four attention matrices have biases."""
    mlp_biases: bool = True
    """Whether the two MLP matrices have biases."""
    tied: bool = False
    """Whether the unembedding is the transposed token embedding of the answers."""
    init: Init = field(default_factory=Init)
    """How the parameters are drawn."""

    def __post_init__(self) -> None:
        if self.d_model % self.num_heads:
            raise ConfigError(f"num_heads: {self.num_heads} does not divide d_model {self.d_model}")

    @property
    def initialization(self) -> Init:
        """How the parameters are drawn."""
        return self.init

    def build(self, signature: Signature) -> Network:
        """Return the network for a token task."""
        if not signature.seq_len:
            raise ConfigError("model: a transformer needs a task with tokens")
        return _Transformer(self, signature)


@dataclass(frozen=True)
class Sequences:
    """Prepared inputs: the trie of prefixes, and what the last position mixes where that pays."""

    prefixes: Prefixes
    bags: Bags | None


pytree.register_dataclass(Sequences)


class _Transformer(Network):
    def __init__(self, config: Transformer, signature: Signature) -> None:
        super().__init__()
        d = self.width = config.d_model
        self._causal = config.causal
        self._heads = config.num_heads
        self._classes = signature.num_classes
        self.embed = Table(signature.vocab_size, d)
        self.position = Table(signature.seq_len, d)
        self.embeddings = Probe()
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.num_layers))
        self.norm = nn.LayerNorm(d) if config.norm == "pre" else None
        self.representation = Probe()
        self.unembed = None if config.tied else Linear(d, signature.num_classes, bias=False)
        self._mixes = config.norm == "none" and config.num_layers == 1

    def prepare(self, inputs: Tensor, *, share: bool = True) -> Sequences:
        """Return the sequences [n, s] with what is shared between them."""
        if not share:
            return Sequences(Prefixes.plain(inputs), None)
        prefixes = Prefixes.shared(inputs, causal=self._causal)
        return Sequences(prefixes, last_bags(prefixes, self._heads) if self._mixes else None)

    def forward(self, prepared: Sequences) -> Tensor:
        """Return the logits of the last position, shape [n, classes]."""
        if any(probe.watched for name, probe in self.probes.items() if name != "representation"):
            prepared = Sequences(prepared.prefixes.to_plain(), None)
        levels = prepared.prefixes.levels
        rows = [
            Rows(self.embed(level.symbols) + self.position.weight[i], level.symbol)
            for i, level in enumerate(levels)
        ]
        streams = [Stream.of(row) for row in at_probe(self.embeddings, rows)]
        last = len(streams) - 1
        for number, block in enumerate(self.blocks):
            everywhere = range(last + 1) if number + 1 < len(self.blocks) else [last]
            streams = block(streams, prepared, everywhere)
        weight = self.embed.weight[: self._classes] if self.unembed is None else self.unembed.weight
        answer, examples = normed(self.norm, streams[-1]), levels[last].examples
        if self.representation.watched:
            shown = self.representation(Rows(answer.dense()).at(examples).expand())
            return F.linear(shown, weight)
        return Rows(answer.through(weight)).at(examples).expand()


class _Block(nn.Module):
    """Attention and MLP, each added to the residual stream."""

    def __init__(self, config: Transformer) -> None:
        super().__init__()
        d, norm = config.d_model, config.norm
        self._post = norm == "post"
        self.attention = _Attention(config)
        self.attention_norm = None if norm == "none" else nn.LayerNorm(d)
        self.mlp = _MLP(config) if config.d_mlp else None
        self.mlp_norm = nn.LayerNorm(d) if config.d_mlp and norm != "none" else None
        self.output = Probe()

    def forward(
        self, streams: list[Stream], sequences: Sequences, wanted: Sequence[int]
    ) -> list[Stream]:
        """Return the residual stream after this block at the wanted positions."""
        seen = [stream.rows() for stream in streams]
        if not self._post and self.attention_norm is not None:
            seen = [row.map(self.attention_norm) for row in seen]
        attended = self.attention(seen, sequences, wanted)
        x = [streams[i].plus(*terms) for i, terms in zip(wanted, attended, strict=True)]
        if self._post:
            x = [normed(self.attention_norm, stream) for stream in x]
        if self.mlp is not None:
            if self.mlp_norm is not None:
                x = [Stream.of(stream.rows()) for stream in x]
            added = self.mlp(x if self._post else [normed(self.mlp_norm, part) for part in x])
            x = [stream.plus(term) for stream, term in zip(x, added, strict=True)]
            if self._post:
                x = [normed(self.mlp_norm, stream) for stream in x]
        if self.output.watched:
            rows = at_probe(self.output, [stream.rows() for stream in x])
            x = [Stream.of(row) for row in rows]
        return x


class _Attention(nn.Module):
    def __init__(self, config: Transformer) -> None:
        super().__init__()
        d, biases = config.d_model, config.attention_biases
        self._causal = config.causal
        self._heads = config.num_heads
        self._scale = 1 / math.sqrt(d // config.num_heads)
        self.query = Linear(d, d, bias=biases)
        self.key = Linear(d, d, bias=biases)
        self.value = Linear(d, d, bias=biases)
        self.output = Linear(d, d, bias=biases)
        self.pattern = Probe()

    def forward(
        self, rows: list[Rows], sequences: Sequences, wanted: Sequence[int]
    ) -> list[list[Term]]:
        """Return what attention adds to the residual stream at each wanted position."""
        prefixes, bags = sequences.prefixes, sequences.bags
        keys = [row.map(lambda x: self._by_head(self.key(x))) for row in rows]
        values = [row.map(lambda x: self._by_head(self.value(x))) for row in rows]
        patterns = []
        for i in wanted:
            query = rows[i].map(lambda x: self._by_head(self.query(x) * self._scale))
            scores = [dot(query, key) for key in self._visible(keys, prefixes, i)]
            patterns.append(torch.softmax(torch.stack(scores), dim=0))
        patterns = self._at_pattern(patterns, len(rows))
        added: list[list[Term]] = []
        for i, pattern in zip(wanted, patterns, strict=True):
            if bags is None:
                visible = self._visible(values, prefixes, i)
                terms = [w[..., None] * v.expand() for w, v in zip(pattern, visible, strict=False)]
                mixed = rearrange(total(terms), "m h k -> m (h k)")
                added.append([Product(mixed, self.output.weight, self.output.bias)])
            else:
                tables = torch.cat([row.values for row in values])
                weights = rearrange(pattern, "j m h -> m (j h)")
                added.append([Mixed(weights, tables, self.output.weight, bags)])
                if self.output.bias is not None:
                    added[-1].append(Constant(self.output.bias))
        return added

    def _by_head(self, x: Tensor) -> Tensor:
        return rearrange(x, "m (h k) -> m h k", h=self._heads)

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


class _MLP(nn.Module):
    def __init__(self, config: Transformer) -> None:
        super().__init__()
        self._activation = ACTIVATIONS[config.activation]
        self.expand = Linear(config.d_model, config.d_mlp, bias=config.mlp_biases)
        self.hidden = Probe()
        self.contract = Linear(config.d_mlp, config.d_model, bias=config.mlp_biases)

    def forward(self, streams: Sequence[Stream]) -> list[Term]:
        """Return what the MLP adds to the residual stream at each position."""
        weight, bias = self.expand.weight, self.expand.bias
        hidden = [Rows(self._activation(stream.through(weight, bias))) for stream in streams]
        contract = self.contract
        rows = at_probe(self.hidden, hidden)
        return [Product(row.values, contract.weight, contract.bias) for row in rows]


def at_probe(probe: Probe, rows: list[Rows]) -> list[Rows]:
    """Show the rows of all positions to a probe as [n, s, d], if somebody watches."""
    return unstack(probe(stack(rows))) if probe.watched else rows


def normed(norm: nn.Module | None, stream: Stream) -> Stream:
    """Return the stream after a norm, which needs the sum itself; without a norm, unchanged."""
    return stream if norm is None else Stream.of(norm(stream.dense()))


def last_bags(prefixes: Prefixes, heads: int) -> Bags | None:
    """Return which distinct rows the last position mixes in the first layer.

    None where the rows of all heads together are more than the mixtures: then mapping the
    mixtures is the cheaper order.
    """
    last = prefixes.levels[-1]
    sources = []
    for level, reach in zip(prefixes.levels, (*last.ancestors, None), strict=True):
        index = take(level.symbol, reach)
        if index is None:
            index = torch.arange(len(level.symbols), device=level.symbols.device)
        sources.append((index, len(level.symbols)))
    if heads * sum(k for _, k in sources) > len(sources[0][0]):
        return None
    return Bags.of(sources, heads)


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
