import pytest

from grokscope.errors import ScienceError
from grokscope.tasks.grid import grid_size
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
        (Modular(p=5, pairs="unordered"), r"this task has 15 examples and not 25 \(pairs="),
        (Modular(p=5, operation="divide"), "this task has 20 examples and not 25"),
        (Group(family="symmetric", n=3), "the symmetric group is not cyclic"),
        (Mixed(p=5), "the task 'mixed' has not two operands of one size"),
    ],
)
def test_anything_else_is_refused_in_the_name_of_who_asked(task, reason):
    with pytest.raises(ScienceError, match=f"^here: needs all p² ordered pairs .*{reason}"):
        grid_size(task, "here")
