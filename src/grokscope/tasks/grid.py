"""Tasks on residues, and on all ordered pairs of them: where Fourier analysis has a meaning."""

import functools

import torch
from jaxtyping import Int
from torch import Tensor

from grokscope.errors import ScienceError
from grokscope.tasks.base import Task
from grokscope.tasks.group import Group


def modulus(task: Task, asked_by: str) -> int:
    """Return p where the two operands of a task are residues modulo p.

    Raises ScienceError otherwise, in one line that names who asked.
    """
    wanted = f"{asked_by}: needs two operands modulo p"
    if isinstance(task, Group) and task.family != "cyclic":
        raise ScienceError(f"{wanted}; the {task.family} group is not cyclic")
    sizes = [factor.size for factor in task.dataset().signature.factors]
    if len(sizes) < 2 or sizes[0] != sizes[1]:
        raise ScienceError(f"{wanted}; the task {task.kind!r} has no two of one size")
    return sizes[0]


@functools.cache
def grid_size(task: Task, asked_by: str) -> int:
    """Return p where the examples of a task are all p² ordered pairs of residues, in order.

    Raises ScienceError otherwise, in one line that names who asked.
    """
    p = modulus(task, asked_by)
    dataset = task.dataset()
    pairs = torch.cartesian_prod(torch.arange(p), torch.arange(p))
    if len(dataset) != p * p or not torch.equal(dataset.operands(), pairs):
        raise ScienceError(
            f"{asked_by}: needs all {p * p:,} ordered pairs modulo {p} and nothing else; this task "
            f"has {len(dataset):,} examples (unordered pairs and division leave some out, several "
            "operations add to them)"
        )
    return p


def sums(task: Task, asked_by: str) -> Int[Tensor, "p p"]:
    """Return ±a ± b modulo p for each pair, with the signs of the task's answer ±a ± b + constant.

    What a network computes about such an answer are waves of this number. Raises ScienceError for
    any other answer (products, polynomials), and where the examples are not all ordered pairs.
    """
    p = grid_size(task, asked_by)
    answers = task.dataset().targets.reshape(p, p)
    a = torch.arange(p)
    if not answers.is_floating_point():
        for sign in (1, -1):
            found = (a.unsqueeze(1) + sign * a) % p
            for side in (1, -1):
                if torch.equal((answers[0, 0] + side * found) % p, answers):
                    return side * found % p
    raise ScienceError(
        f"{asked_by}: needs an answer ±a ± b modulo {p}, which turns with its operands; that of "
        f"this {task.kind} task does not, so waves of a and b mean nothing to it"
    )
