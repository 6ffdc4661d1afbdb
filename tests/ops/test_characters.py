"""Characters and cosets of groups whose tables are in every book."""

import itertools
import math

import numpy as np
import pytest
import torch

from grokscope.errors import ScienceError
from grokscope.ops.characters import characters, classes, components
from grokscope.ops.cosets import concentration, cosets, subgroups
from grokscope.tasks.group import cayley_table, elements


def table_of(family, n):
    return cayley_table(elements(family, n))


def by_class(table):
    """Return the characters as a set of rows over classes, rounded, each class by its size."""
    found, class_of = characters(table), classes(table)
    firsts = [int((class_of == k).int().argmax()) for k in range(int(class_of.max()) + 1)]
    sizes = torch.bincount(class_of).tolist()
    rows = found.values[:, firsts].numpy()
    return [
        sorted(zip(sizes, np.round(row.real, 6).tolist(), strict=True)) for row in rows
    ], found.dimensions.tolist()


def test_the_characters_of_s3_are_those_of_the_book():
    rows, dimensions = by_class(table_of("symmetric", 3))
    assert dimensions == [1, 1, 2]
    # Classes: identity, two rotations, three swaps.
    assert rows[0] == [(1, 1), (2, 1), (3, 1)]
    assert rows[1] == [(1, 1), (2, 1), (3, -1)]
    assert rows[2] == [(1, 2), (2, -1), (3, 0)]


def test_the_characters_of_s4_count_fixed_points():
    permutations = elements("symmetric", 4)
    found = characters(cayley_table(permutations))
    assert found.dimensions.tolist() == [1, 1, 2, 3, 3]
    fixed = (permutations == torch.arange(4)).sum(1).double()
    products = found.values.real @ (fixed - 1) / 24
    # The standard representation is irreducible: its character is one of the rows.
    assert sorted(np.round(products.tolist(), 9)) == [0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("family", "n", "dimensions"),
    [
        ("cyclic", 7, [1] * 7),
        ("dihedral", 5, [1, 1, 2, 2]),
        ("dihedral", 6, [1, 1, 1, 1, 2, 2]),
        ("alternating", 4, [1, 1, 1, 3]),
        ("alternating", 5, [1, 3, 3, 4, 5]),
        ("symmetric", 5, [1, 1, 4, 4, 5, 5, 6]),
    ],
)
def test_dimensions_are_those_of_the_book(family, n, dimensions):
    table = table_of(family, n)
    found = characters(table)
    assert found.dimensions.tolist() == dimensions
    np.testing.assert_allclose(found.values[0].numpy(), 1, atol=1e-9)
    class_of = classes(table)
    for g, h in itertools.product(range(min(len(table), 12)), repeat=2):
        x = int(table[table[h, g], int((table[h] == 0).int().argmax())])
        assert class_of[x] == class_of[g]


def test_the_characters_of_a_cycle_are_its_roots_of_unity():
    found = characters(table_of("cyclic", 5)).values
    roots = [[np.exp(2j * math.pi * k * x / 5) for x in range(5)] for k in range(5)]
    for row in roots:
        assert min(np.abs(found.numpy() - np.array(row)).max(1)) < 1e-9


def test_a_table_of_no_group_is_refused():
    a = torch.arange(5)
    subtraction = (a[:, None] - a[None, :]) % 5
    with pytest.raises(ScienceError, match=r"^this table is that of no group"):
        characters(subtraction)


@pytest.mark.parametrize(
    ("family", "n", "sizes"),
    [
        ("cyclic", 6, [1, 1, 2, 2]),
        ("symmetric", 4, [1, 1, 4, 9, 9]),
        ("alternating", 4, [1, 2, 9]),
        ("dihedral", 4, [1, 1, 1, 1, 4]),
    ],
)
def test_components_hold_characters_and_no_others(family, n, sizes):
    table = table_of(family, n)
    parts, order = components(table), len(table)
    assert sorted(torch.bincount(parts.number).tolist()) == sizes
    torch.testing.assert_close(parts.basis.t() @ parts.basis, torch.eye(order).double())
    inverse = [int((row == 0).int().argmax()) for row in table]
    for values in characters(table).values:
        of_ghc = torch.stack([values.real[table[x, inverse]] for x in range(order)])
        energy = (of_ghc @ parts.basis).square().sum(0)
        sums = torch.zeros(len(sizes)).double().index_add_(0, parts.number, energy)
        assert float(sums.max() / sums.sum()) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    ("family", "n", "count"),
    # Subgroups in all, less the trivial one and the whole.
    [
        ("symmetric", 3, 4),
        ("symmetric", 4, 28),
        ("dihedral", 4, 8),
        ("cyclic", 12, 4),
        ("cyclic", 7, 0),
    ],
)
def test_all_subgroups_are_found(family, n, count):
    table = table_of(family, n)
    found = subgroups(table)
    assert len(found) == len(set(found)) == count
    for group in found:
        assert {int(table[g, h]) for g in group for h in group} == set(group)


def test_cosets_are_products_with_the_subgroup():
    table = table_of("symmetric", 4)
    group = subgroups(table)[12]
    left, right = cosets(table, group)
    for g, h in itertools.product(range(24), repeat=2):
        same_left = {int(table[g, x]) for x in group} == {int(table[h, x]) for x in group}
        same_right = {int(table[x, g]) for x in group} == {int(table[x, h]) for x in group}
        assert (left[g] == left[h]) == same_left
        assert (right[g] == right[h]) == same_right


def test_concentration_is_that_of_a_loop_and_one_on_cosets():
    table = table_of("symmetric", 4)
    labels = [cosets(table, group) for group in subgroups(table)]
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(24, 3))
    constant_on = torch.from_numpy(rng.normal(size=12))[labels[3][1]]
    functions = torch.cat([torch.from_numpy(noise), constant_on.unsqueeze(1)], dim=1)
    found = concentration(functions, labels)
    assert float(found[3]) == pytest.approx(1, abs=1e-12)
    for unit in range(3):
        f, best = noise[:, unit], 0.0
        for label in itertools.chain(*labels):
            kinds = set(label.tolist())
            means = np.array([f[label.numpy() == k].mean() for k in label.tolist()])
            chance = (len(kinds) - 1) / 23
            best = max(best, (means.var() / f.var() - chance) / (1 - chance))
        assert float(found[unit]) == pytest.approx(best, rel=1e-10)
        assert best < 0.9
    assert concentration(torch.ones(24, 1).double(), labels).tolist() == [0]
