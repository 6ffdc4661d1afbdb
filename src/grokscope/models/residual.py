"""What networks with a residual stream of vectors share: how inputs enter and answers leave."""

import itertools
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Annotated, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from grokscope.errors import ConfigError
from grokscope.models.base import Model, Network
from grokscope.models.init import Init
from grokscope.models.layers import Activation, Linear, Table
from grokscope.models.probe import Probe
from grokscope.ops.mixing import Bags, mix, mix_plainly
from grokscope.tasks.base import Signature
from grokscope.typing import Gt


@dataclass(frozen=True, kw_only=True)
class ResidualModel(Model):
    """The fields of networks whose layers add to a stream of vectors."""

    inputs: Literal["one_hot", "embedded"] = "one_hot"
    """How symbols enter the stream: a linear map of concatenated one-hot vectors, or of
    concatenated learned embeddings."""
    d_embed: Annotated[int, Gt(0)] = 128
    """Dimension of each symbol's embedding; used by `embedded` only."""
    width: Annotated[int, Gt(0)] = 128
    """Dimension of the stream."""
    activation: Activation = "relu"
    """Nonlinearity of the hidden units."""
    biases: bool = True
    """Whether the matrices of a layer have biases; those into and out of the stream have none."""
    init: Init = field(default_factory=Init)
    """How the parameters are drawn."""

    @property
    def initialization(self) -> Init:
        """How the parameters are drawn."""
        return self.init


class Residual(Network):
    """A linear map of the inputs, layers that change a stream [n, width], an unembedding."""

    def __init__(self, config: ResidualModel, signature: Signature) -> None:
        super().__init__()
        kind = vars(type(config))["kind"]
        if not signature.factors and not signature.num_features:
            raise ConfigError(f"model: {kind} needs a task with factors or features")
        if signature.num_answers > 1:
            raise ConfigError(f"model: {kind} gives one answer an example; take a transformer")
        self.width = config.width
        self._factors = signature.factors
        sizes = (factor.size for factor in signature.factors)
        self._offsets = list(itertools.accumulate(sizes, initial=0))
        n_in = signature.num_features or self._offsets[-1]
        self.embeddings = Probe()
        self.embed: Table | None = None
        if config.inputs == "embedded" and signature.factors:
            self.embed = Table(self._offsets[-1], config.d_embed)
            n_in = config.d_embed * len(signature.factors)
        self.enter = Linear(n_in, config.width, bias=False)
        self.representation = Probe()
        self.unembed = Linear(config.width, signature.num_classes, bias=False)

    @abstractmethod
    def through(self, x: Tensor) -> Tensor:
        """Return the stream [n, width] after all layers.

        Each layer shows the stream after it at a probe `layers.<l>.stream`.
        """

    def read(self, x: Tensor) -> Tensor:
        """Return the logits [n, classes] of a stream, wherever it was cut."""
        logits: Tensor = self.unembed(self.representation(x))
        return logits

    def prepare(self, inputs: Tensor, *, share: bool = True) -> Tensor | Bags:
        """Return features [n, f] as they are, and tokens as columns of the one-hot input."""
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
        """Return what each symbol adds to the stream, a table [symbols, width]."""
        if not self._factors or self.embeddings.watched:
            return ()
        if self.embed is None:
            return (self.enter.weight.t().contiguous(),)
        rows = self.embed.weight.split([factor.size for factor in self._factors])  # type: ignore[no-untyped-call]
        chunks = self.enter.weight.chunk(len(rows), dim=1)
        return (torch.cat([F.linear(row, c) for row, c in zip(rows, chunks, strict=True)]),)

    def finish(self, begun: tuple[Tensor, ...], part: Tensor | Bags) -> Tensor:
        """Return the logits of a part, shape [n, classes]."""
        x = (
            self._gathered(begun[0], part)
            if begun
            else self.enter(self.embeddings(_dense(self, part)))
        )
        return self.read(self.through(x))

    def _gathered(self, table: Tensor, part: Tensor | Bags) -> Tensor:
        """Return the start of the stream: the sum of the rows of an example's symbols."""
        nothing = table.new_zeros(self.width)
        index = part.index if isinstance(part, Bags) else part
        ones = table.new_ones(index.shape)
        if isinstance(part, Bags):
            return mix(ones, table, part, nothing)
        return mix_plainly(ones, table, index, nothing)


def _dense(network: Residual, prepared: Tensor | Bags) -> Tensor:
    """Return features, one-hot vectors or embeddings of each example, shape [n, inputs]."""
    dtype = network.enter.weight.dtype
    if not network._factors:
        return cast(Tensor, prepared).to(dtype)
    columns = prepared.index if isinstance(prepared, Bags) else prepared
    if network.embed is not None:
        return cast(Tensor, network.embed(columns.flatten())).view(len(columns), -1)
    every = torch.arange(network._offsets[-1], device=columns.device)
    return (columns.unsqueeze(-1) == every).sum(1).to(dtype)
