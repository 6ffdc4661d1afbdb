"""The multilayer perceptron on one-hot, embedded or real inputs."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grokscope.errors import ConfigError
from grokscope.models.base import MODELS, Model, Network
from grokscope.models.init import Init
from grokscope.models.layers import ACTIVATIONS, Activation, Linear, Table
from grokscope.models.probe import Probe
from grokscope.ops.mixing import Bags, mix, mix_plainly
from grokscope.ops.products import linear
from grokscope.tasks.base import Signature
from grokscope.typing import PER_RUN, Ge, Gt


@MODELS.register
@dataclass(frozen=True, kw_only=True)
class MLP(Model):
    """A multilayer perceptron (Gromov 2023 with one quadratic layer and no biases)."""

    kind: Literal["mlp"] = "mlp"
    inputs: Literal["one_hot", "summed", "embedded"] = "one_hot"
    """How symbols enter: concatenated one-hot vectors (2p for a pair); their sum (p), so that
    operands share weights and their order is lost; or learned embeddings."""
    d_embed: Annotated[int, Gt(0)] = 128
    """Dimension of each symbol's embedding; used by `embedded` only."""
    width: Annotated[int, Gt(0)] = 256
    """Units of each hidden layer."""
    depth: Annotated[int, Ge(1)] = 1
    """Number of hidden layers."""
    activation: Activation = "relu"
    """Nonlinearity of the hidden layers."""
    biases: bool = True
    """Whether hidden layers have biases; the output layer has none."""
    output_multiplier: Annotated[float, Gt(0), PER_RUN] = 1.0
    """Factor on the logits: small values train rich, large ones lazy."""
    init: Init = field(default_factory=Init)
    """How the parameters are drawn."""

    @property
    def initialization(self) -> Init:
        """How the parameters are drawn."""
        return self.init

    def build(self, signature: Signature) -> Network:
        """Return the network for token or feature tasks."""
        if not signature.factors and not signature.num_features:
            raise ConfigError("model: an mlp needs a task with factors or features")
        sizes = {factor.size for factor in signature.factors}
        if self.inputs == "summed" and len(sizes) != 1:
            raise ConfigError("model.inputs: summed needs operands over one alphabet")
        if signature.num_answers > 1:
            raise ConfigError("model: an mlp gives one answer an example; take a transformer")
        return _MLP(self, signature)


class _MLP(Network):
    def __init__(self, config: MLP, signature: Signature) -> None:
        super().__init__()
        self.width = config.width
        self._factors = signature.factors
        self._activation = ACTIVATIONS[config.activation]
        self._offsets = _offsets([factor.size for factor in signature.factors])
        symbols = self._offsets[-1]
        self._shared = signature.factors[0].size if config.inputs == "summed" else 0
        n_in = signature.num_features or self._shared or symbols
        self.embeddings = Probe()
        self.embed: Table | None = None
        if config.inputs == "embedded" and signature.factors:
            self.embed = Table(symbols, config.d_embed)
            n_in = config.d_embed * len(signature.factors)
        widths = [n_in] + [config.width] * config.depth
        layers = [Linear(a, b, bias=config.biases) for a, b in itertools.pairwise(widths)]
        self.first = layers[0]
        self.rest = nn.ModuleList(layers[1:])
        self.hidden = nn.ModuleList(Probe() for _ in layers)
        self.representation = Probe()
        self.unembed = Linear(config.width, signature.num_classes, bias=False)
        self.output_multiplier: Tensor
        multiplier = torch.tensor(config.output_multiplier, dtype=torch.float64)
        self.register_buffer("output_multiplier", multiplier, persistent=False)

    @property
    def last_hidden(self) -> tuple[Tensor, Tensor]:
        """Weights of the last hidden layer: incoming [units, inputs], outgoing [classes, units]."""
        layer = self.rest[-1] if len(self.rest) else self.first
        return cast(Linear, layer).weight, self.unembed.weight * self.output_multiplier

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

    def begin(self, prepared: Tensor | Bags) -> tuple[Tensor, ...]:
        """Return the table of the first layer [symbols, width].

        W₁ applied to concatenated symbols is a sum of one term for each factor, and each term has
        only as many distinct values as the factor has symbols: multiply the table, then gather.
        """
        if not self._factors or self.embeddings.watched:
            return ()
        weight = self.first.weight
        if self.embed is None:
            table = weight.t()
            return (table.repeat(len(self._factors), 1) if self._shared else table.contiguous(),)
        rows = self.embed.weight.split([factor.size for factor in self._factors])  # type: ignore[no-untyped-call]
        chunks = weight.chunk(len(rows), dim=1)
        return (torch.cat([F.linear(row, c) for row, c in zip(rows, chunks, strict=True)]),)

    def finish(self, begun: tuple[Tensor, ...], part: Tensor | Bags) -> Tensor:
        """Return the logits of a part [n, classes]."""
        x = self.hidden[0](self._units(begun[0], part) if begun else self._dense_units(part))
        for layer, probe in zip(self.rest, self.hidden[1:], strict=True):
            x = probe(self._activation(layer(x)))
        return linear(self.representation(x), self.unembed.weight * self.output_multiplier)

    def _units(self, table: Tensor, part: Tensor | Bags) -> Tensor:
        """Return the units of the first layer, each a sum of table rows."""
        bias = table.new_zeros(self.width) if self.first.bias is None else self.first.bias
        index = part.index if isinstance(part, Bags) else part
        ones = table.new_ones(index.shape)
        if not isinstance(part, Bags):
            return self._activation(mix_plainly(ones, table, index, bias))
        if self._activation is F.relu:
            return mix(ones, table, part, bias, rectify=True)
        return self._activation(mix(ones, table, part, bias))

    def _dense_units(self, part: Tensor | Bags) -> Tensor:
        return self._activation(self.first(self.embeddings(self._dense(part))))

    def _dense(self, prepared: Tensor | Bags) -> Tensor:
        """Return the input of the first layer for each example, shape [n, inputs]."""
        dtype = self.first.weight.dtype
        if not self._factors:
            return cast(Tensor, prepared).to(dtype)
        columns = prepared.index if isinstance(prepared, Bags) else prepared
        if self.embed is not None:
            return cast(Tensor, self.embed(columns.flatten())).view(len(columns), -1)
        if self._shared:
            columns = columns % self._shared  # every factor begins at a multiple of its size
        every = torch.arange(self._shared or self._offsets[-1], device=columns.device)
        return (columns.unsqueeze(-1) == every).sum(1).to(dtype)


def _offsets(sizes: Sequence[int]) -> list[int]:
    offsets = [0]
    for size in sizes:
        offsets.append(offsets[-1] + size)
    return offsets
