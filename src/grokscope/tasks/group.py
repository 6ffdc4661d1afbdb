"""Composition in a finite group, from its Cayley table."""

import itertools
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

import torch
from jaxtyping import Int
from torch import Tensor

from grokscope.errors import ConfigError
from grokscope.tasks.base import TASKS, Dataset, Task
from grokscope.tasks.tables import Layout, pairs_of, table_dataset
from grokscope.typing import Ge

Family: TypeAlias = Literal["cyclic", "dihedral", "alternating", "symmetric"]

MAX_ORDER = 1000


def elements(family: Family, n: int) -> Int[Tensor, "order points"]:
    """Return the group's elements as permutations of points, in lexicographic order.

    Element g maps point i to `elements[g, i]`. The identity is element 0. Symmetric and
    alternating groups act on n points, cyclic groups on the corners of an n-gon, and dihedral
    groups on their own 2n elements, which is faithful for every n.
    """
    if family in ("symmetric", "alternating"):
        all_of_them = itertools.permutations(range(n))
        kept = [g for g in all_of_them if family == "symmetric" or _is_even(g)]
    elif family == "cyclic":
        kept = [tuple((i + r) % n for i in range(n)) for r in range(n)]
    else:
        # The regular representation: element (r, s) is "reflect s times, then rotate by r".
        kept = [
            tuple(_dihedral((r, s), (i % n, i // n), n) for i in range(2 * n))
            for r in range(n)
            for s in range(2)
        ]
    return torch.tensor(sorted(kept), dtype=torch.int64)


def cayley_table(permutations: Int[Tensor, "order points"]) -> Int[Tensor, "order order"]:
    """Return `table[g, h]`, the number of the element "first h, then g" (g∘h)."""
    number = {tuple(g): i for i, g in enumerate(permutations.tolist())}
    products = permutations[:, permutations]  # [g, h, i] = g(h(i))
    order = len(permutations)
    flat = [number[tuple(row)] for row in products.reshape(order * order, -1).tolist()]
    return torch.tensor(flat, dtype=torch.int64).view(order, order)


def _is_even(permutation: tuple[int, ...]) -> bool:
    inversions = sum(x > y for x, y in itertools.combinations(permutation, 2))
    return inversions % 2 == 0


def _dihedral(left: tuple[int, int], right: tuple[int, int], n: int) -> int:
    (r, s), (q, t) = left, right
    return (r + (-q if s else q)) % n + n * (s ^ t)


@TASKS.register
@dataclass(frozen=True, kw_only=True)
class Group(Task):
    """g ∘ h in a finite group, over all ordered pairs (Power et al. 2022; Chughtai et al. 2023)."""

    kind: Literal["group"] = "group"
    family: Family = "symmetric"
    """Cyclic C_n, dihedral D_n (order 2n), alternating A_n, symmetric S_n."""
    n: Annotated[int, Ge(1)] = 5
    """Which member of the family; S5 (order 120) is the classic."""
    layout: Layout = "a b ="
    """Tokens of an example: `a b =` (vocabulary order+1) or `a op b =` (vocabulary order+2)."""

    def __post_init__(self) -> None:
        if not 2 <= self.order <= MAX_ORDER:
            raise ConfigError(
                f"n: {self.family} {self.n} is outside the supported 2 to {MAX_ORDER} elements"
            )

    @property
    def order(self) -> int:
        """Number of elements."""
        if self.family == "cyclic":
            return self.n
        if self.family == "dihedral":
            return 2 * self.n
        order = 1
        for factor in range(2, self.n + 1):
            order *= factor
            if order > 2 * MAX_ORDER:
                break
        return order if self.family == "symmetric" else max(order // 2, 1)

    def dataset(self) -> Dataset:
        """Return all pairs (g, h) in lexicographic order with g ∘ h."""
        table = cayley_table(elements(self.family, self.n))
        g, h = pairs_of(self.order, "ordered")
        return table_dataset(g, h, table[g, h], size=self.order, layout=self.layout)
