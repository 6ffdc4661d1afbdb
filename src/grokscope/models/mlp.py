"""The multilayer perceptron on one-hot, embedded or real inputs."""

import itertools
from dataclasses import dataclass, field
from typing import Annotated, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grokscope.errors import ConfigError
from grokscope.models.base import MODELS, Model, Network
from grokscope.models.columns import Columns
from grokscope.models.init import Init
from grokscope.models.layers import ACTIVATIONS, Activation, Linear
from grokscope.models.probe import Probe
from grokscope.ops.mixing import Bags
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


class _MLP(Columns):
    def __init__(self, config: MLP, signature: Signature) -> None:
        d_embed = config.d_embed if config.inputs == "embedded" else None
        super().__init__(signature, d_embed=d_embed, summed=config.inputs == "summed")
        self.width = config.width
        self._activation = ACTIVATIONS[config.activation]
        widths = [self.inputs] + [config.width] * config.depth
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

    def begin(self, prepared: Tensor | Bags) -> tuple[Tensor, ...]:
        """Return the table of the first layer [symbols, width]."""
        return self.terms(self.first.weight)

    def finish(self, begun: tuple[Tensor, ...], part: Tensor | Bags) -> Tensor:
        """Return the logits of a part [n, classes]."""
        x = self.hidden[0](self._units(begun[0], part) if begun else self._dense_units(part))
        for layer, probe in zip(self.rest, self.hidden[1:], strict=True):
            x = probe(self._activation(layer(x)))
        return linear(self.representation(x), self.unembed.weight * self.output_multiplier)

    def _units(self, table: Tensor, part: Tensor | Bags) -> Tensor:
        """Return the units of the first layer, each a sum of table rows."""
        bias = table.new_zeros(self.width) if self.first.bias is None else self.first.bias
        if self._activation is F.relu:
            return self.gathered(table, part, bias, rectify=True)
        return self._activation(self.gathered(table, part, bias))

    def _dense_units(self, part: Tensor | Bags) -> Tensor:
        inputs = self.dense(part, self.first.weight.dtype)
        return self._activation(self.first(self.embeddings(inputs)))
