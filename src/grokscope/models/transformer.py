"""The decoder-only transformer: pre-norm, post-norm or none; causal or not; with or without MLP."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from grokscope.errors import ConfigError
from grokscope.models.base import MODELS, Model, Network
from grokscope.models.decoder import Decoder
from grokscope.models.init import Init
from grokscope.models.layers import Activation
from grokscope.models.one_layer import OneLayer
from grokscope.tasks.base import Signature
from grokscope.typing import Ge, Gt, Le


@MODELS.register
@dataclass(frozen=True, kw_only=True)
class Transformer(Model):
    """A transformer that reads its answer at the last position.

    One layer, no norm and ReLU is the network of Nanda et al. (2023); `d_mlp: 0` is attention-only.
    Probes: `embeddings` [n, s, d]; in each block `attention.pattern` [n, heads, queries, s],
    `mlp.hidden` [n, queries, d_mlp] and `output` [n, queries, d]; `representation` [n, d]. Only the
    last position is read, so the last block computes one query there and earlier blocks all s. A
    task with several answers is read at as many last positions: `representation` [n, answers, d].
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
    attention_rate: Annotated[float, Ge(0), Le(1)] = 1.0
    """The rate α of α·softmax + (1 - α)·ones, the ones at every position that is seen: 1 is
    attention, 0 a constant (Zhong et al. 2023, the clock and the pizza). Below 1 patterns do not
    sum to 1, and a network of one layer takes the general way through its blocks."""
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
        several = signature.num_answers > 1
        if several and not self.causal:
            raise ConfigError("model.causal: must be true where answers follow one another")
        one = self.num_layers == 1 and self.norm == "none"
        one = one and self.attention_rate == 1 and not several
        return OneLayer(self, signature) if one else Decoder(self, signature)
