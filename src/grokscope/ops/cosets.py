"""Subgroups of a small group, their cosets, and functions that are constant on them."""

import itertools

import torch
from jaxtyping import Float, Int
from torch import Tensor


def subgroups(table: Int[Tensor, "order order"]) -> list[tuple[int, ...]]:
    """Return the subgroups that two elements generate, neither trivial nor whole, smallest first.

    Those are all of them in cyclic, dihedral and the small symmetric and alternating groups.
    """
    rows = table.tolist()
    pairs = itertools.combinations_with_replacement(range(1, len(rows)), 2)
    found = {_generated(rows, pair) for pair in pairs}
    proper = [group for group in found if 1 < len(group) < len(rows)]
    return sorted(proper, key=lambda group: (len(group), group))


def cosets(table: Int[Tensor, "order order"], group: tuple[int, ...]) -> Int[Tensor, "2 order"]:
    """Return the number of the left coset gH and of the right coset Hg of each element."""
    members = torch.tensor(group)
    least = torch.stack([table[:, members].amin(1), table[members].amin(0)])
    return torch.stack([torch.unique(row, return_inverse=True)[1] for row in least])


def concentration(
    functions: Float[Tensor, "order units"], labels: list[Int[Tensor, "2 order"]]
) -> Float[Tensor, " units"]:
    """Return for each function the variance that cosets explain, of the subgroup that does it best.

    Between-coset variance over the whole, less what chance gives k cosets, (k - 1)/(n - 1), over
    one less that: 1 for a function that is constant on the cosets of some subgroup, near 0 on
    average over noise for one subgroup, more for the best of many. 0 for a constant.
    """
    centered = functions.double() - functions.double().mean(0)
    total = centered.square().sum(0)
    best = torch.zeros_like(total)
    n = len(functions)
    for label in itertools.chain.from_iterable(labels):
        count = int(label.max()) + 1
        sums = centered.new_zeros(count, centered.shape[1]).index_add_(0, label, centered)
        explained = sums.square().sum(0) * count / n
        chance = (count - 1) / (n - 1)
        share = (explained / total.clamp(min=1e-300) - chance) / (1 - chance)
        best = torch.maximum(best, share)
    return best


def _generated(rows: list[list[int]], generators: tuple[int, ...]) -> tuple[int, ...]:
    """Return the elements that products of the generators reach, ascending."""
    reached, frontier = {0}, [0]
    while frontier:
        element = frontier.pop()
        for generator in generators:
            product = rows[element][generator]
            if product not in reached:
                reached.add(product)
                frontier.append(product)
    return tuple(sorted(reached))
