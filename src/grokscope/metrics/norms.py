"""Norms of weights, gradients and representations (Q2, part of Q4)."""

import torch
from torch import Tensor

from grokscope.metrics.base import metric
from grokscope.snapshot import Snapshot


@metric(label="Weight norm ‖θ‖", group="Model Properties")
def weight_norm(snapshot: Snapshot) -> dict[str, Tensor]:
    """L2 norm of all parameters, and of each tensor as `weight_norm.<tensor>`."""
    each = {name: torch.linalg.vector_norm(x) for name, x in snapshot.tensors.items()}
    total = torch.linalg.vector_norm(snapshot.params)
    return {"weight_norm": total} | {f"weight_norm.{name}": x for name, x in each.items()}


@metric(label="Gradient norm ‖∇L‖", group="Optimizer Dynamics", scale="log")
def gradient_norm(snapshot: Snapshot) -> Tensor:
    """L2 norm of the gradient of the objective over all training examples."""
    norm: Tensor = torch.linalg.vector_norm(snapshot.gradient)
    return norm


@metric(label="Representation norm", group="Model Properties", cost="forward")
def representation_norm(snapshot: Snapshot) -> Tensor:
    """Mean L2 norm over training examples of the vector the unembedding reads."""
    norms: Tensor = torch.linalg.vector_norm(snapshot.representation, dim=-1)
    return norms.mean()
