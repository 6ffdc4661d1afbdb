"""What a model is: a configuration that builds one network for a task's signature."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from grokscope._registry import Registry
from grokscope.models.init import Init, draw
from grokscope.models.probe import Probe, probes
from grokscope.ops.params import layout_of
from grokscope.tasks.base import Signature
from grokscope.typing import STRICT


class Network(nn.Module, ABC):
    """A PyTorch module for one run: prepared inputs to logits.

    width: the d of width-scaled initialization. Every place worth reading is a Probe; one named
    `representation` holds what the unembedding reads, one named `embeddings` what enters the
    first layer.
    """

    width: int

    def prepare(self, inputs: Tensor, *, share: bool = True) -> Any:
        """Return `inputs` in the form `forward` takes; done once for a fixed dataset.

        With `share` the form may fold together work that repeats between examples. It is a pytree
        of tensors; the default is the inputs themselves.
        """
        return inputs

    @abstractmethod
    def forward(self, prepared: Any) -> Tensor:
        """Return logits, shape [n, classes], in the dtype of the parameters."""

    def part(self, prepared: Any, rows: slice) -> Any:
        """Return the prepared form of some of the examples; the default cuts a tensor."""
        return prepared[rows]

    def begin(self, prepared: Any) -> tuple[Tensor, ...]:
        """Return what is computed once for all examples, however they are cut into parts."""
        return ()

    def finish(self, begun: tuple[Tensor, ...], part: Any) -> Tensor:
        """Return the logits of a part, given what `begin` returned for the whole."""
        logits: Tensor = self(part)
        return logits

    @property
    def last_hidden(self) -> tuple[Tensor, Tensor] | None:
        """Weights of the hidden layer whose units are the representation; None without one.

        Incoming [units, inputs] and outgoing [classes, units], as they enter the logits.
        """
        return None

    @cached_property
    def probes(self) -> dict[str, Probe]:
        """The probes by name."""
        return probes(self)

    @property
    def watched(self) -> bool:
        """Whether any probe is being read or replaced."""
        return any(probe.watched for probe in self.probes.values())


@dataclass(frozen=True, kw_only=True)
class Model(ABC):
    """A frozen keyword-only dataclass whose fields are the configuration of a model."""

    __pydantic_config__ = STRICT

    @abstractmethod
    def build(self, signature: Signature) -> Network:
        """Return the network, its parameters not yet set.

        Raises ConfigError where the model cannot read the task's inputs.
        """

    @property
    @abstractmethod
    def initialization(self) -> Init:
        """How the parameters are drawn."""


MODELS: Registry[type[Model]] = Registry("model", "grokscope.models")


def initialize(
    network: Network, init: Init, seed: int, *, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Draw the parameters of one seed into a new flat vector and bind the network to it.

    Every tensor has its own random stream named after it, so adding a tensor changes no other.
    Gates are not drawn: they start where the network's constructor put them.
    Returns the vector, shape [number of parameters].
    """
    layout = layout_of(network)
    made = {name: parameter.detach() for name, parameter in network.named_parameters()}
    flat = torch.cat(
        [
            made[entry.name].to("cpu", dtype, copy=True).view(-1)
            if entry.role == "gate"
            else draw(init, entry, network.width, seed).to(dtype)
            for entry in layout.entries
        ]
    )
    network.to(dtype)
    layout.bind(network, flat)
    return flat
