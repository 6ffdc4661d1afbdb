"""Where arithmetic ends learning (part of Q11)."""

import dataclasses

import torch
from torch import Tensor

from grokscope.errors import ScienceError
from grokscope.metrics.base import metric
from grokscope.objectives import Objective
from grokscope.snapshot import Snapshot

SOURCE = "Prieto et al. 2025, arXiv:2501.04697"


@metric(label="Softmax collapse", group="Optimizer Dynamics", source=SOURCE)
def softmax_collapse(snapshot: Snapshot) -> Tensor:
    """Share of training examples whose Σ exp(z - max z) rounds to 1 in the dtype of the loss.

    There -ln softmax is 0 and so is the gradient of a right answer. In float32 it begins at a lead
    of 16.6 over one other class and of 19 to 21 over 112, by the order of the sum; in float64 at
    36.7 and at 40 to 41. This is the plain formula: the float64 loss of float32 logits sums the
    other classes apart and loses nothing here.
    """
    logits = snapshot.train_logits.to(snapshot.problem.objective.dtype)
    scaled = torch.exp(logits - logits.max(-1, keepdim=True).values)
    return (scaled.sum(-1) == 1).double().mean()


@metric(label="cos(-∇L, θ)", group="Optimizer Dynamics", source=SOURCE)
def gradient_alignment(snapshot: Snapshot) -> Tensor:
    """Cosine of the negative gradient of the task loss with the parameters.

    Near 1 a step only scales the network up: naive loss minimization, which lowers the loss and
    changes no answer. NaN where the gradient is exactly 0.
    """
    gradient, params = task_gradient(snapshot).double(), snapshot.params.double()
    sizes = torch.linalg.vector_norm(gradient) * torch.linalg.vector_norm(params)
    cosine: Tensor = -(gradient @ params) / sizes
    return cosine


def task_gradient(snapshot: Snapshot) -> Tensor:
    """Return the gradient of the task loss alone over all training examples, flat.

    Raises ScienceError where something else than that gradient moves the parameters.
    """
    problem = snapshot.problem
    if problem.kind != "training":
        raise ScienceError(f"this network is not moved by the gradient of its loss: {problem.kind}")
    if not problem.objective.penalties:
        return snapshot.gradient
    objective = Objective(problem.objective.loss, dtype=problem.objective.dtype)
    return dataclasses.replace(problem, objective=objective).gradient(problem.train)[1]
