"""Whether the order of two batches matters (part of Q11)."""

import functools

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import functional_call

from grokscope.metrics.base import metric
from grokscope.ops.streams import permutation, stream
from grokscope.problem import Examples, Problem
from grokscope.snapshot import Snapshot

PAIRS = 9
"""Pairs of batches; the median of them counts."""
BATCH = 256
"""Most examples of a batch; a small training set is halved."""
LENGTH = 1e-3
"""‖η g‖ of each step over ‖θ‖."""


@metric(
    label="Commutator defect",
    group="Curvature",
    scale="log",
    cost="heavy",
    source="measures: early warning",
)
def commutator_defect(snapshot: Snapshot) -> Tensor:
    """‖θ_AB - θ_BA‖/(‖ηg_A‖‖ηg_B‖), median of 9 pairs of disjoint batches A, B.

    θ_AB are the parameters after a step on A and one on B. On a quadratic loss it is
    ‖H_B g_A - H_A g_B‖/(‖g_A‖‖g_B‖), whatever the rates. Elsewhere it is that to the order of the
    steps; here they are ‖θ‖/1000 long, so that float32 resolves them when gradients are tiny. The
    batches, at most 256 training examples each, are the same at every step.
    """
    found = torch.stack([defect(snapshot, *_batches(snapshot, i)) for i in range(PAIRS)])
    return found.median()


def defect(snapshot: Snapshot, first: Examples, second: Examples) -> Float[Tensor, ""]:
    """Return the defect of one pair of batches, float64."""
    problem, params = snapshot.problem, snapshot.params.detach()
    length = LENGTH * torch.linalg.vector_norm(params)
    gradient = functools.partial(_gradient, problem)
    at_first, at_second = gradient(first, params), gradient(second, params)
    rates = [length / torch.linalg.vector_norm(g) for g in (at_first, at_second)]
    then_second = gradient(second, params - rates[0] * at_first)
    then_first = gradient(first, params - rates[1] * at_second)
    # θ_BA - θ_AB, without the parameters, which both have in common.
    moved = rates[1].double() * (then_second.double() - at_second.double())
    moved -= rates[0].double() * (then_first.double() - at_first.double())
    found: Tensor = torch.linalg.vector_norm(moved) / length.double() ** 2
    return found


def _gradient(problem: Problem, examples: Examples, params: Tensor) -> Tensor:
    leaf = params.detach().requires_grad_()
    named = problem.layout.split(leaf)
    logits = functional_call(problem.network, named, (examples.prepared,))
    loss = problem.objective.task_loss(logits, examples.targets)
    return torch.autograd.grad(loss, leaf)[0]


def _batches(snapshot: Snapshot, number: int) -> tuple[Examples, Examples]:
    """Return a pair of batches: a function of its number and the size of the training set."""
    train = snapshot.problem.train
    order = torch.from_numpy(permutation(stream(0, "commutator", number), len(train)))
    size = max(1, min(BATCH, len(train) // 2))
    rows = order.to(train.targets.device)
    return _examples(snapshot, rows[:size]), _examples(snapshot, rows[-size:])


def _examples(snapshot: Snapshot, rows: Tensor) -> Examples:
    problem = snapshot.problem
    inputs = problem.train.inputs[rows]
    prepared = problem.network.prepare(inputs, share=False)
    return Examples(inputs, prepared, problem.train.targets[rows])
