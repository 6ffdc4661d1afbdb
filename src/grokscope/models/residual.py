"""What networks with a residual stream of vectors share: how inputs enter and answers leave."""

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Annotated, Literal

from torch import Tensor

from grokscope.errors import ConfigError
from grokscope.models.base import Model
from grokscope.models.columns import Columns
from grokscope.models.init import Init
from grokscope.models.layers import Activation, Linear
from grokscope.models.probe import Probe
from grokscope.ops.mixing import Bags
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


class Residual(Columns):
    """A linear map of the inputs, layers that change a stream [n, width], an unembedding."""

    def __init__(self, config: ResidualModel, signature: Signature) -> None:
        kind = vars(type(config))["kind"]
        if not signature.factors and not signature.num_features:
            raise ConfigError(f"model: {kind} needs a task with factors or features")
        if signature.num_answers > 1:
            raise ConfigError(f"model: {kind} gives one answer an example; take a transformer")
        d_embed = config.d_embed if config.inputs == "embedded" else None
        super().__init__(signature, d_embed=d_embed)
        self.width = config.width
        self.enter = Linear(self.inputs, config.width, bias=False)
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

    def begin(self, prepared: Tensor | Bags) -> tuple[Tensor, ...]:
        """Return what each symbol adds to the stream, a table [symbols, width]."""
        return self.terms(self.enter.weight)

    def finish(self, begun: tuple[Tensor, ...], part: Tensor | Bags) -> Tensor:
        """Return the logits of a part, shape [n, classes]."""
        if begun:
            x = self.gathered(begun[0], part, begun[0].new_zeros(self.width))
        else:
            x = self.enter(self.embeddings(self.dense(part, self.enter.weight.dtype)))
        return self.read(self.through(x))
