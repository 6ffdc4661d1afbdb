"""The linear model: one matrix from the inputs to the logits."""

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from grokscope.errors import ConfigError
from grokscope.models.base import MODELS, Model, Network
from grokscope.models.init import Init
from grokscope.models.layers import Linear as Layer
from grokscope.models.probe import Probe
from grokscope.tasks.base import Signature


@MODELS.register
@dataclass(frozen=True, kw_only=True)
class Linear(Model):
    """z = Wx, without bias: the student of a linear teacher (Levi et al. 2023).

    Real features enter as they are, symbols as concatenated one-hot vectors. The probes
    `embeddings` and `representation` both show x.
    """

    kind: Literal["linear"] = "linear"
    init: Init = field(default_factory=Init)
    """How the parameters are drawn."""

    @property
    def initialization(self) -> Init:
        """How the parameters are drawn."""
        return self.init

    def build(self, signature: Signature) -> Network:
        """Return the network for token or feature tasks with one answer."""
        if not signature.factors and not signature.num_features:
            raise ConfigError("model: a linear model needs a task with factors or features")
        if signature.num_answers > 1:
            raise ConfigError("model: a linear model gives one answer; take a transformer")
        return _Linear(signature)


class _Linear(Network):
    def __init__(self, signature: Signature) -> None:
        super().__init__()
        self._factors = signature.factors
        self.width = signature.num_features or sum(factor.size for factor in self._factors)
        self.embeddings = Probe()
        self.representation = Probe()
        self.unembed = Layer(self.width, signature.num_classes, bias=False)

    def forward(self, prepared: Tensor) -> Tensor:
        """Return logits [n, classes]."""
        dtype = self.unembed.weight.dtype
        if self._factors:
            every = torch.arange(max(f.size for f in self._factors), device=prepared.device)
            columns = [
                prepared[:, f.position, None] - f.start == every[: f.size] for f in self._factors
            ]
            prepared = torch.cat(columns, dim=1)
        x = self.representation(self.embeddings(prepared.to(dtype)))
        logits: Tensor = self.unembed(x)
        return logits
