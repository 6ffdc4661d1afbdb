"""Norm minimization on the zero-loss manifold."""

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from grokscope.errors import ConfigError
from grokscope.models import Model, capture
from grokscope.models.mlp import MLP
from grokscope.objectives import Terms
from grokscope.objectives.l2 import L2
from grokscope.ops.interpolation import duals, shrink_two_layers
from grokscope.problem import DYNAMICS, Examples, Problem

READOUT = "unembed.weight"
RULE = "dynamics: norm_minimization"


@DYNAMICS.register
@dataclass(frozen=True)
class NormMinimization(Problem):
    """The least L2 penalty among networks that answer the training set exactly (Musat 2025).

    Let H [n, width] be the representation of the training examples, a function of all parameters
    but the readout, and Y their one-hot targets. The readout is never trained: at every step it is
    the smallest W with H W = Y, that is Hᵀ B with H Hᵀ B = Y. All other parameters θ follow the
    gradient of the penalty along that manifold,

        ∇ ½(‖θ‖² + tr(Yᵀ(H Hᵀ)⁻¹Y)) = θ - (∂H/∂θ)ᵀ · B Wᵀ,

    so SGD without momentum is Euler's method and its rate the step in time. For two layers
    without biases and σ = ReLU this is his flow Ẇ₁ = Xᵀ[(B BᵀH) ⊙ σ'(X W₁)] - W₁; other
    activations and more layers are taken as they come.

    Taking the gradient writes the solved readout into the network, so a checkpoint holds an
    ordinary network whose training loss is 0 to rounding.

    dense: the input of the first layer [n, inputs] where his two-layer network is simulated by
    its own formulas; None leaves the representation to autograd.
    """

    dense: Tensor | None = None

    kind: ClassVar[str] = "norm_minimization"
    mapped: ClassVar[bool] = False

    @classmethod
    def build(cls, *, model: Model, **parts: Any) -> tuple[Self, Tensor]:
        """Return the problem and its initial parameters.

        Raises ConfigError without float64 parameters, one L2 penalty, a readout linear and apart
        from the rest, and as many units there as there are training examples.
        """
        built, flat = super().build(model=model, **parts)
        penalties = built.objective.penalties
        if len(penalties) != 1 or not isinstance(penalties[0], L2) or not penalties[0].weight:
            raise ConfigError(
                f"{RULE} minimizes one L2 penalty; set penalties: [{{kind: l2, weight: 1}}]"
            )
        if flat.dtype != torch.float64:
            raise ConfigError(f"{RULE} solves exactly; set precision.parameters=float64")
        entering = built._check_network()
        return dataclasses.replace(built, dense=entering if _is_plain(model) else None), flat

    def _check_network(self) -> Tensor:
        """Return what enters the first layer, once the readout was found to be one."""
        with torch.enable_grad(), capture(self.network, "embeddings", "representation") as seen:
            logits = self.network(self.train.prepared)
        readout, features = self.parameters.get(READOUT), seen["representation"]
        linear = readout is not None and torch.allclose(logits, features @ readout.t())
        if readout is None or not linear or _depends(features, readout):
            raise ConfigError(
                f"{RULE} needs a network that reads its answer linearly, by a matrix of its own: "
                "an mlp with output_multiplier 1, or an untied transformer"
            )
        n, width = features.shape
        if width < n:
            raise ConfigError(
                f"{RULE} answers {n} training examples exactly, which takes as many units in the "
                f"last layer; there are {width}"
            )
        return seen["embeddings"].detach()

    @cached_property
    def answers(self) -> Float[Tensor, "n classes"]:
        """The one-hot targets of the training set."""
        classes = self.dataset.signature.num_classes
        return F.one_hot(self.train.targets, classes).double()

    def gradient(self, examples: Examples) -> tuple[Terms, Float[Tensor, " size"]]:
        """Return the objective and its gradient along the manifold, a flat vector.

        The gradient of the readout is 0: it is solved for, and written into the network, here.
        `examples` are the training set.
        """
        with torch.no_grad():
            features, readout, forces = self._forces(examples)
            parameters = self.parameters
            parameters[READOUT].copy_(readout)
            logits = features @ readout.t()
            task = self.objective.task_loss(logits, examples.targets)
            penalty = self.objective.penalty(self.network, parameters, examples.prepared)
            penalty = penalty.to(task.dtype)
            weight = self.objective.penalties[0].weight
            pulls = {name: weight * (parameters[name] - force) for name, force in forces.items()}
            pulls[READOUT] = torch.zeros_like(readout)
            return Terms(logits, task, penalty, task + penalty), self.layout.join(pulls)

    def _forces(self, examples: Examples) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return the representation, the solved readout, and the force on every other tensor."""
        if self.dense is not None:
            first = self.parameters["first.weight"]
            features, readout, force = shrink_two_layers(self.dense, first, self.answers)
            return features, readout, {"first.weight": force}
        moving = {name: x for name, x in self.parameters.items() if name != READOUT}
        with torch.enable_grad(), capture(self.network, "representation") as seen:
            self.network(examples.prepared)
        attached = seen["representation"]
        features = attached.detach()
        multipliers = duals(features, self.answers)
        readout = multipliers.t() @ features
        forces = torch.autograd.grad(attached, list(moving.values()), multipliers @ readout)
        return features, readout, dict(zip(moving, forces, strict=True))


def _is_plain(model: Model) -> bool:
    """Return whether the network is two matrices around a ReLU, on inputs that do not learn."""
    if not isinstance(model, MLP) or model.inputs == "embedded":
        return False
    return model.depth == 1 and model.activation == "relu" and not model.biases


def _depends(features: Tensor, readout: Tensor) -> bool:
    """Return whether the representation is a function of the readout."""
    return torch.autograd.grad(features.sum(), readout, allow_unused=True)[0] is not None
