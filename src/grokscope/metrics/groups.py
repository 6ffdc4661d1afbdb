"""What a network knows of the group it composes in (part of Q11)."""

import functools

import torch
from jaxtyping import Int
from torch import Tensor

from grokscope.errors import ScienceError
from grokscope.metrics.base import metric
from grokscope.ops.characters import Components, components
from grokscope.ops.cosets import concentration, cosets, subgroups
from grokscope.snapshot import Snapshot
from grokscope.tasks.group import Group

MOST_COLUMNS = 16
"""Components up to which each has a column of its own."""
MOST_ELEMENTS = 200
"""Elements up to which all pairs of them are tried as generators of subgroups."""


@metric(
    label="Largest share of an irrep",
    group="Groups",
    cost="forward",
    source="Chughtai et al. 2023, arXiv:2302.03025",
)
def irreducible_shares(snapshot: Snapshot) -> dict[str, Tensor]:
    """Share of the logits' energy in the irreducible representation that has most of it.

    Logits of all pairs as functions of the answer c, without their constant part, are cut into
    isotypic components by the characters of the group; a network of the paper's kind has
    χ(ghc⁻¹) of few of them. `irreducible_shares.count` is 1/Σ share², and in groups of at most 16
    components `irreducible_shares.<dimension>.<number>` each of them. Conjugate characters count
    together. Noise has about χ(1)²/n in each.
    Raises ScienceError for a task that is not a group.
    """
    task = _group(snapshot, "irreducible_shares")
    parts = _components(task)
    basis, number = (x.to(snapshot.params.device) for x in (parts.basis, parts.number))
    energy = (snapshot.all_logits.double() @ basis).square().sum(0)
    sums = energy.new_zeros(len(parts.dimensions)).index_add_(0, number, energy)[1:]
    shares = sums / sums.sum()
    found = {
        "irreducible_shares": shares.max(),
        "irreducible_shares.count": 1 / shares.square().sum(),
    }
    if len(shares) <= MOST_COLUMNS:
        for at, (dimension, share) in enumerate(zip(parts.dimensions[1:], shares, strict=True), 1):
            found[f"irreducible_shares.{dimension}.{at}"] = share
    return found


@metric(
    label="Coset concentration",
    group="Groups",
    cost="heavy",
    source="Stander et al. 2024, arXiv:2312.06581",
)
def coset_concentration(snapshot: Snapshot) -> Tensor:
    """How constant hidden units are on the cosets of some subgroup, mean weighted by variance.

    A unit of the last hidden layer is taken as a function of one operand, its mean over the other;
    of all subgroups, left and right cosets, the one that explains most of its variance beyond
    chance counts. 1 for a network of coset circuits; noise has some tenths, for the best of many.
    Deviation: the paper looks at pre-activations, and unit by unit. Raises ScienceError for a task
    that is not a group, or one without subgroups or of more than 200 elements.
    """
    task = _group(snapshot, "coset_concentration")
    labels = [label.to(snapshot.params.device) for label in _cosets(task)]
    if not labels:
        raise ScienceError(f"this task has no cosets: {task.family} {task.n} has no subgroups")
    problem, split = snapshot.problem, snapshot.problem.split
    sides = [problem.activation(_hidden(snapshot), x) for x in (problem.train, problem.test)]
    units = torch.flatten(torch.cat(sides), start_dim=1)[
        torch.cat([split.train, split.test]).argsort()
    ]
    table = units.double().view(task.order, task.order, -1)
    functions = torch.cat([table.mean(1), table.mean(0)], dim=1)
    weights = functions.var(0, correction=0)
    return (concentration(functions, labels) * weights).sum() / weights.sum()


def _group(snapshot: Snapshot, asked_by: str) -> Group:
    task = snapshot.problem.task
    if not isinstance(task, Group):
        raise ScienceError(f"this task is no group: {asked_by} needs task.kind=group")
    return task


def _hidden(snapshot: Snapshot) -> str:
    """Return the probe of the last hidden layer."""
    named = [name for name in snapshot.problem.network.probes if "hidden" in name.split(".")]
    return named[-1] if named else "representation"


def _table(task: Group) -> Int[Tensor, "order order"]:
    return task.dataset().targets.view(task.order, task.order)


@functools.lru_cache(maxsize=2)
def _components(task: Group) -> Components:
    return components(_table(task))


@functools.lru_cache(maxsize=2)
def _cosets(task: Group) -> list[Int[Tensor, "2 order"]]:
    if task.order > MOST_ELEMENTS:
        raise ScienceError(
            f"this task has {task.order} elements; coset_concentration takes {MOST_ELEMENTS}"
        )
    table = _table(task)
    return [cosets(table, group) for group in subgroups(table)]
