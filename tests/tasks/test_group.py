import functools
import itertools
import math
import random

import numpy as np
import pytest
import torch
from sympy.combinatorics.named_groups import (
    AlternatingGroup,
    CyclicGroup,
    SymmetricGroup,
)

from grokscope.errors import ConfigError
from grokscope.tasks.group import Group, cayley_table, elements

MEMBERS = [
    ("cyclic", 2),
    ("cyclic", 7),
    ("cyclic", 12),
    ("dihedral", 1),
    ("dihedral", 2),
    ("dihedral", 3),
    ("dihedral", 8),
    ("alternating", 3),
    ("alternating", 4),
    ("alternating", 5),
    ("symmetric", 2),
    ("symmetric", 4),
    ("symmetric", 5),
]
ORDERS = {
    "cyclic": lambda n: n,
    "dihedral": lambda n: 2 * n,
    "alternating": lambda n: math.factorial(n) // 2,
    "symmetric": math.factorial,
}


@functools.cache
def table_of(family, n):
    dataset = Group(family=family, n=n).dataset()
    order = ORDERS[family](n)
    assert dataset.operands().tolist() == [[g, h] for g in range(order) for h in range(order)]
    return dataset.targets.view(order, order).tolist()


every_group = pytest.mark.parametrize(("family", "n"), MEMBERS)


@every_group
def test_the_order_is_known(family, n):
    assert Group(family=family, n=n).order == ORDERS[family](n) == len(table_of(family, n))


def test_the_classic_orders():
    assert Group(family="symmetric", n=5).order == 120
    assert Group(family="alternating", n=5).order == 60
    assert Group(family="dihedral", n=53).order == 106


@every_group
def test_the_table_is_closed_and_a_latin_square(family, n):
    table = table_of(family, n)
    everything = set(range(len(table)))
    assert all(set(row) == everything for row in table)
    assert all(set(column) == everything for column in zip(*table, strict=True))


@every_group
def test_element_zero_is_the_identity(family, n):
    table = table_of(family, n)
    assert table[0] == list(range(len(table)))
    assert [row[0] for row in table] == list(range(len(table)))


@every_group
def test_every_element_has_one_inverse_from_both_sides(family, n):
    table = table_of(family, n)
    for g, row in enumerate(table):
        assert row.count(0) == 1
        assert table[row.index(0)][g] == 0


@every_group
def test_composition_is_associative(family, n):
    table = table_of(family, n)
    triples = itertools.product(range(len(table)), repeat=3)
    if len(table) > 24:
        draw = random.Random(0)
        triples = ([draw.randrange(len(table)) for _ in range(3)] for _ in range(20_000))
    for g, h, k in triples:
        assert table[table[g][h]][k] == table[g][table[h][k]]


@every_group
def test_only_small_and_cyclic_groups_commute(family, n):
    table = table_of(family, n)
    commutes = all(table[g][h] == table[h][g] for g in range(len(table)) for h in range(g))
    assert commutes == (family == "cyclic" or ORDERS[family](n) < 6)


@pytest.mark.parametrize(
    ("family", "n", "construct"),
    [
        ("cyclic", 6, CyclicGroup),
        ("cyclic", 11, CyclicGroup),
        ("alternating", 4, AlternatingGroup),
        ("alternating", 5, AlternatingGroup),
        ("symmetric", 3, SymmetricGroup),
        ("symmetric", 5, SymmetricGroup),
    ],
)
def test_elements_are_those_of_an_independent_construction(family, n, construct):
    theirs = sorted(tuple(g.array_form) for g in construct(n).elements)
    assert [tuple(g) for g in elements(family, n).tolist()] == theirs


@pytest.mark.parametrize(("family", "n"), [("symmetric", 5), ("alternating", 4), ("cyclic", 5)])
def test_composition_is_the_product_of_permutation_matrices(family, n):
    permutations = elements(family, n).tolist()
    matrices = np.zeros((len(permutations), n, n), dtype=np.int64)
    for g, permutation in enumerate(permutations):
        for i, image in enumerate(permutation):
            matrices[g, image, i] = 1
    for g, row in enumerate(table_of(family, n)):
        for h, product in enumerate(row):
            assert np.array_equal(matrices[g] @ matrices[h], matrices[product])


def powers(table, g):
    found, at = [0], g
    while at:
        found.append(at)
        at = table[at][g]
    return found


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
def test_a_dihedral_group_is_rotations_and_a_reflection_that_turns_them_around(n):
    table = table_of("dihedral", n)
    inverse = [row.index(0) for row in table]

    def is_presentation(r, s):
        rotations = powers(table, r)
        return (
            len(rotations) == n
            and s not in rotations
            and table[s][s] == 0
            and table[table[s][r]][s] == inverse[r]
        )

    assert any(is_presentation(r, s) for r in range(2 * n) for s in range(2 * n))


def test_the_table_composes_right_to_left():
    permutations = torch.tensor([[0, 1, 2], [1, 2, 0], [2, 0, 1], [1, 0, 2], [0, 2, 1], [2, 1, 0]])
    table = cayley_table(permutations)
    # Turn all corners by one, after swapping the first two: 0 → 1 → 2, 1 → 0 → 1, 2 → 2 → 0.
    assert permutations[table[1, 3]].tolist() == [2, 1, 0]
    assert permutations[table[3, 1]].tolist() == [0, 2, 1]


@pytest.mark.parametrize("layout", ["a b =", "a op b ="])
def test_tokens_are_the_elements_and_the_signs(layout):
    dataset = Group(family="symmetric", n=3, layout=layout).dataset()
    assert dataset.signature.vocab_size == (7 if layout == "a b =" else 8)
    expected = [6] if layout == "a b =" else [7]
    assert dataset.inputs[:, -1].unique().tolist() == expected


@pytest.mark.parametrize(
    ("family", "n"),
    [
        ("cyclic", 1),
        ("cyclic", 1001),
        ("dihedral", 501),
        ("alternating", 2),
        ("alternating", 7),
        ("symmetric", 1),
        ("symmetric", 7),
        ("symmetric", 10**6),
    ],
)
def test_groups_too_small_or_too_large_are_refused(family, n):
    with pytest.raises(ConfigError, match=rf"^n: {family} {n} is outside the supported 2 to 1000"):
        Group(family=family, n=n)
