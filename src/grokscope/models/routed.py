"""The routed network: parallel heads in each layer, mixed by weights that a state decides."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from grokscope.models.base import MODELS, Network
from grokscope.models.layers import ACTIVATIONS, Linear
from grokscope.models.probe import Probe, Routing
from grokscope.models.residual import Residual, ResidualModel
from grokscope.tasks.base import Signature
from grokscope.typing import Ge, Gt


@MODELS.register
@dataclass(frozen=True, kw_only=True)
class Routed(ResidualModel):
    """A residual network whose layers mix perceptrons by soft weights.

    In layer l, with x_l the stream, s_l the state and i the heads:
    weights_l = softmax(W_gate · GELU(W_state s_{l-1} + W_residual x_l)),
    output_l = Σ_i weights_l[i] head_i(x_l), s_l = W_update [s_{l-1}; output_l], x_{l+1} = x_l +
    output_l. The first state is a linear map of the embedding x_1, each head has one hidden layer,
    the four router matrices have no biases, and the state behind the last layer, which nobody
    would read, is not formed.
    Probes: `embeddings` [n, inputs]; in each layer `layers.<l>.routing` [n, heads],
    `layers.<l>.output` [n, width] and `layers.<l>.stream` [n, width], the stream after it;
    `representation` [n, width].
    """

    kind: Literal["routed"] = "routed"
    num_layers: Annotated[int, Ge(1)] = 2
    """Number of layers."""
    num_heads: Annotated[int, Ge(1)] = 4
    """Heads of a layer."""
    d_head: Annotated[int, Gt(0)] = 64
    """Hidden units of a head."""
    d_state: Annotated[int, Gt(0)] = 32
    """Dimension of the state."""
    d_router: Annotated[int, Gt(0)] = 32
    """GELU units that compute the routing weights."""

    def build(self, signature: Signature) -> Network:
        """Return the network for token or feature tasks."""
        return _Routed(self, signature)


class _Routed(Residual):
    def __init__(self, config: Routed, signature: Signature) -> None:
        super().__init__(config, signature)
        self.state = Linear(config.width, config.d_state, bias=False)
        last = config.num_layers - 1
        self.layers = nn.ModuleList(
            _Layer(config, updates=number < last) for number in range(config.num_layers)
        )

    def through(self, x: Tensor) -> Tensor:
        """Return the stream after all layers."""
        state = self.state(x)
        for layer in self.layers:
            x, state = layer(x, state)
        return x


class _Layer(nn.Module):
    def __init__(self, config: Routed, *, updates: bool) -> None:
        super().__init__()
        width, d_state = config.width, config.d_state
        self.from_state = Linear(d_state, config.d_router, bias=False)
        self.from_residual = Linear(width, config.d_router, bias=False)
        self.to_weights = Linear(config.d_router, config.num_heads, bias=False)
        self.routing = Routing()
        self.heads = _Heads(config)
        self.output = Probe()
        self.stream = Probe()
        self.update = Linear(d_state + width, d_state, bias=False) if updates else None

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return the stream and the state after this layer."""
        decided = F.gelu(self.from_state(state) + self.from_residual(x))
        weights = self.routing(torch.softmax(self.to_weights(decided), dim=-1))
        output = self.output(self.heads(x, weights))
        if self.update is not None:
            state = self.update(torch.cat([state, output], dim=-1))
        return self.stream(x + output), state


class _Heads(nn.Module):
    """All heads of a layer: Σ_i w_i (C_i φ(E_i x + e_i) + c_i), the weights applied before C."""

    def __init__(self, config: Routed) -> None:
        super().__init__()
        heads, hidden, width = config.num_heads, config.d_head, config.width
        self._activation = ACTIVATIONS[config.activation]
        self.expand = nn.Parameter(torch.zeros(heads, hidden, width))
        self.contract = nn.Parameter(torch.zeros(heads, width, hidden))
        self.roles = {"expand": ("weight", width), "contract": ("weight", hidden)}
        self.b_expand = nn.Parameter(torch.zeros(heads, hidden)) if config.biases else None
        self.b_contract = nn.Parameter(torch.zeros(heads, width)) if config.biases else None

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        """Return the mixture [n, width] of heads of x [n, width] by weights [n, heads]."""
        bias = None if self.b_expand is None else self.b_expand.flatten()
        hidden = self._activation(F.linear(x, self.expand.flatten(0, 1), bias))
        by_head = rearrange(hidden, "n (h k) -> n h k", h=weights.shape[-1])
        weighted = (by_head * weights.unsqueeze(-1)).flatten(1)
        mixed = weighted @ rearrange(self.contract, "h o k -> (h k) o")
        return mixed if self.b_contract is None else mixed + weights @ self.b_contract
