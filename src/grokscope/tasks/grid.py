"""Tasks on all ordered pairs of residues: where Fourier analysis has a meaning."""

import torch

from grokscope.errors import ScienceError
from grokscope.tasks.base import Task
from grokscope.tasks.group import Group


def grid_size(task: Task, asked_by: str) -> int:
    """Return p where the examples of a task are all p² ordered pairs of residues, in order.

    Raises ScienceError otherwise, in one line that names who asked.
    """
    wanted = f"{asked_by}: needs all p² ordered pairs of residues modulo p"
    if isinstance(task, Group) and task.family != "cyclic":
        raise ScienceError(f"{wanted}; the {task.family} group is not cyclic")
    dataset = task.dataset()
    sizes = [factor.size for factor in dataset.signature.factors]
    if len(sizes) != 2 or sizes[0] != sizes[1]:
        raise ScienceError(f"{wanted}; the task {task.kind!r} has not two operands of one size")
    p = sizes[0]
    pairs = torch.cartesian_prod(torch.arange(p), torch.arange(p))
    if len(dataset) != p * p or not torch.equal(dataset.operands(), pairs):
        raise ScienceError(
            f"{wanted}; this task has {len(dataset):,} examples and not {p * p:,} "
            "(pairs=unordered and division leave some out)"
        )
    return p
