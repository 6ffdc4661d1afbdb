"""The depth-gated network: one gate a layer decides how much of the depth is used."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from grokscope.models.base import MODELS, Network
from grokscope.models.layers import ACTIVATIONS, Linear
from grokscope.models.probe import Gate, Probe
from grokscope.models.residual import Residual, ResidualModel
from grokscope.ops.gating import Form, gate, logit_of
from grokscope.tasks.base import Signature
from grokscope.typing import PER_RUN, Ge, Gt, Le


@MODELS.register
@dataclass(frozen=True, kw_only=True)
class Gated(ResidualModel):
    """A residual network of perceptron layers f_l, each with a gate g_l in [0, 1].

    A gate is a function of a logit a_l. Forward passes draw nothing: a Gumbel gate is the mean over
    its noise, taken at fixed quantiles. Optimizers have fields of their own for gates,
    `gate_lr_factor` and `gate_decay_factor`.
    Probes: `embeddings` [n, inputs]; in each layer `layers.<l>.gate` [n], `layers.<l>.hidden`
    [n, units] and `layers.<l>.stream` [n, width], the stream after it; `representation` [n, width].
    """

    kind: Literal["gated"] = "gated"
    max_depth: Annotated[int, Ge(1)] = 4
    """Number of layers L, the most that gates can leave in use."""
    d_hidden: Annotated[int, Gt(0)] = 128
    """Hidden units of the first layer."""
    growth: Annotated[float, Gt(0)] = 1.0
    """Hidden units of each layer over those of the layer before (rounded); other than 1, layers
    differ in what they cost."""
    norm: Literal["pre", "none"] = "none"
    """LayerNorm before each layer and before the unembedding, or nowhere."""
    gate: Form = "sigmoid"
    """`sigmoid`: σ(a/τ). `gumbel`: the mean of σ((a + logistic noise)/τ). `straight_through`: 1
    where σ(a/τ) >= ½, else 0, with the gradient of σ(a/τ)."""
    gate_on: Literal["output", "skip", "highway"] = "output"
    """What the gate scales. `output`: x + g f(x). `skip`: g x + f(x), so that a closed gate cuts
    the skip connection and not the layer. `highway`: (1 - g) x + g f(x)."""
    gate_sees: Literal["nothing", "input"] = "nothing"
    """`input`: the logit is a_l + v_l·x with v_l starting at 0, so that gates may differ between
    examples; `nothing`: one gate for all."""
    initial_gate: Annotated[float, Ge(0), Le(1), PER_RUN] = 1.0
    """Where gates start. A sigmoid reaches neither 0 nor 1: a start beyond .01 or .99 is taken
    there, at logits of ±4.6 τ. A straight-through gate that starts at or above ½ is open."""
    temperature: Annotated[float, Gt(0), PER_RUN] = 1.0
    """τ, which divides the logits."""

    def build(self, signature: Signature) -> Network:
        """Return the network for token or feature tasks."""
        return _Gated(self, signature)


class _Gated(Residual):
    def __init__(self, config: Gated, signature: Signature) -> None:
        super().__init__(config, signature)
        units = [
            max(1, round(config.d_hidden * config.growth**number))
            for number in range(config.max_depth)
        ]
        self.layers = nn.ModuleList(_Layer(config, number) for number in units)
        self.norm = nn.LayerNorm(config.width) if config.norm == "pre" else nn.Identity()

    def through(self, x: Tensor) -> Tensor:
        """Return the stream after all layers."""
        for layer in self.layers:
            x = layer(x)
        return x

    def read(self, x: Tensor) -> Tensor:
        """Return the logits of a stream, which is normed first if there are norms."""
        return super().read(self.norm(x))


class _Layer(nn.Module):
    def __init__(self, config: Gated, units: int) -> None:
        super().__init__()
        self._activation = ACTIVATIONS[config.activation]
        self._form: Form = config.gate
        self._on = config.gate_on
        self.norm = nn.LayerNorm(config.width) if config.norm == "pre" else nn.Identity()
        self.expand = Linear(config.width, units, bias=config.biases)
        self.contract = Linear(units, config.width, bias=config.biases)
        start = logit_of(config.initial_gate, config.temperature, config.gate)
        self.logit = nn.Parameter(torch.full((), start, dtype=torch.float64))
        self.direction = None
        if config.gate_sees == "input":
            self.direction = nn.Parameter(torch.zeros(config.width))
        self.roles = {"logit": ("gate", 0), "direction": ("gate", 0)}
        self.temperature: Tensor
        temperature = torch.tensor(config.temperature, dtype=torch.float64)
        self.register_buffer("temperature", temperature, persistent=False)
        self.gate = Gate(flops=4 * config.width * units)
        self.hidden = Probe()
        self.stream = Probe()

    def forward(self, x: Tensor) -> Tensor:
        """Return the stream after this layer."""
        seen = self.norm(x)
        added = self.contract(self.hidden(self._activation(self.expand(seen))))
        logit = self.logit.expand(len(x))
        if self.direction is not None:
            logit = logit + seen @ self.direction
        g = self.gate(*gate(logit, self.temperature, self._form)).unsqueeze(-1)
        if self._on == "output":
            after = x + g * added
        elif self._on == "skip":
            after = g * x + added
        else:
            after = x + g * (added - x)
        shown: Tensor = self.stream(after)
        return shown
