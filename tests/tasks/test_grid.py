import pytest
import torch

from grokscope.errors import ScienceError
from grokscope.tasks.base import Dataset, Factor, Signature, Task
from grokscope.tasks.grid import grid_size, modulus, sums
from grokscope.tasks.group import Group
from grokscope.tasks.mixed import Mixed
from grokscope.tasks.modular import Modular
from grokscope.tasks.polynomial import Polynomial


@pytest.mark.parametrize(
    ("task", "p"),
    [
        (Modular(p=5), 5),
        (Modular(p=6, operation="multiply", layout="a op b ="), 6),
        (Polynomial(p=7), 7),
        (Group(family="cyclic", n=8), 8),
    ],
)
def test_all_ordered_pairs_are_a_grid(task, p):
    assert grid_size(task, "here") == p


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        (Modular(p=5, pairs="unordered"), r"needs all 25 .* this task has 15 examples \("),
        (Modular(p=5, operation="divide"), "needs all 25 .* this task has 20 examples"),
        (Mixed(p=5), "needs all 25 .* this task has 50 examples"),
        (Group(family="symmetric", n=3), "needs two .* the symmetric group is not cyclic"),
    ],
)
def test_anything_else_is_refused_in_the_name_of_who_asked(task, reason):
    with pytest.raises(ScienceError, match=f"^here: {reason}"):
        grid_size(task, "here")


def test_operands_are_residues_without_being_a_grid():
    assert modulus(Modular(p=5, pairs="unordered"), "here") == 5
    assert modulus(Mixed(p=5), "here") == 5
    with pytest.raises(ScienceError, match=r"^here: needs two operands modulo p; the dihedral"):
        modulus(Group(family="dihedral", n=4), "here")


class Alone(Task):
    kind = "alone"

    def dataset(self):
        factor = Factor(position=0, start=0, size=3)
        signature = Signature(num_classes=3, vocab_size=3, seq_len=1, factors=(factor,))
        return Dataset(torch.arange(3).unsqueeze(1), torch.arange(3), signature)


def test_a_task_of_one_operand_is_refused():
    with pytest.raises(ScienceError, match=r"^here: .*; the task 'alone' has no two of one size$"):
        grid_size(Alone(), "here")


@pytest.mark.parametrize(
    ("task", "signs"),
    [
        (Modular(p=5), (1, 1)),
        (Modular(p=6, operation="subtract"), (1, -1)),
        (Group(family="cyclic", n=8), (1, 1)),
    ],
)
def test_the_sums_are_what_the_answer_turns_with(task, signs):
    found, p = sums(task, "here"), grid_size(task, "here")
    for a in range(p):
        for b in range(p):
            assert found[a, b].item() == (signs[0] * a + signs[1] * b) % p


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        (Modular(p=7, operation="multiply"), "needs an answer ±a ± b modulo 7, .* this modular"),
        (Polynomial(p=7), "needs an answer ±a ± b modulo 7, .* this polynomial"),
        (Modular(p=5, pairs="unordered"), "needs all 25 ordered pairs"),
        (Group(family="dihedral", n=4), "needs two operands modulo p; the dihedral"),
    ],
)
def test_an_answer_that_does_not_turn_is_refused(task, reason):
    with pytest.raises(ScienceError, match=f"^here: {reason}"):
        sums(task, "here")
