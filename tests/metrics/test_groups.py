import numpy as np
import pytest
import torch

from grokscope.errors import ScienceError
from grokscope.metrics import METRICS, measure
from grokscope.models.mlp import MLP
from grokscope.models.transformer import Transformer
from grokscope.objectives import Objective
from grokscope.objectives.cross_entropy import CrossEntropy
from grokscope.problem import Problem
from grokscope.snapshot import Snapshot
from grokscope.tasks import Data
from grokscope.tasks.group import Group, cayley_table, elements

S4 = Group(family="symmetric", n=4)


def snapshot_of(task, *, model=None, given=None):
    problem, flat = Problem.build(
        task=task,
        data=Data(train_fraction=0.5),
        model=model or MLP(width=6),
        objective=Objective(CrossEntropy()),
        seed=0,
        dtype=torch.float64,
    )
    return Snapshot(problem, flat, given=given)


def test_logits_of_one_character_lie_in_one_representation():
    """The standard character of S4 counts fixed points: χ(ghc⁻¹) = #{i: gh(i) = c(i)} - 1."""
    permutations = elements("symmetric", 4)
    composed = permutations[cayley_table(permutations).flatten()]
    logits = (composed.unsqueeze(1) == permutations).sum(-1).double() - 1
    snapshot = snapshot_of(S4, given={"all_logits": logits + 7})
    found = measure(snapshot, [METRICS["irreducible_shares"]])
    assert found["irreducible_shares"] == pytest.approx(1, abs=1e-9)
    assert found["irreducible_shares.count"] == pytest.approx(1, abs=1e-9)
    columns = [name for name in found if name.count(".") == 2]
    assert [name.split(".")[1] for name in columns] == ["1", "2", "3", "3"]
    signs = torch.linalg.det(torch.eye(4).double()[permutations])
    sign = signs[cayley_table(permutations).flatten()].unsqueeze(1) * signs
    both = snapshot_of(S4, given={"all_logits": logits + sign})
    shares = measure(both, [METRICS["irreducible_shares"]])
    # Σ_c χ² = 24 for every irreducible character, so two of them halve the energy.
    assert shares["irreducible_shares"] == pytest.approx(0.5, abs=1e-9)
    assert shares["irreducible_shares.1.1"] == pytest.approx(0.5, abs=1e-9)
    assert shares["irreducible_shares.count"] == pytest.approx(2, abs=1e-9)


def test_shares_of_a_cycle_are_those_of_its_waves():
    logits = np.random.default_rng(0).normal(size=(49, 7))
    energy = (np.abs(np.fft.rfft(logits, axis=1)) ** 2).sum(0)[1:]
    snapshot = snapshot_of(
        Group(family="cyclic", n=7), given={"all_logits": torch.from_numpy(logits)}
    )
    found = measure(snapshot, [METRICS["irreducible_shares"]])
    each = [value for name, value in found.items() if name.count(".") == 2]
    assert sorted(each) == pytest.approx(sorted(energy / energy.sum()), rel=1e-9)


def test_units_of_coset_circuits_are_concentrated():
    """Units that see which point the first operand takes 0 to: a coset of a point stabilizer."""
    snapshot = snapshot_of(S4)
    points = elements("symmetric", 4)[:, 0]
    weight = snapshot.tensors["first.weight"]
    noise = measure(snapshot, [METRICS["coset_concentration"]])["coset_concentration"]
    weight.zero_()
    for unit in range(6):
        weight[unit, :24] = (points == unit % 4).double() * (unit + 1)
    found = measure(snapshot, [METRICS["coset_concentration"]])["coset_concentration"]
    assert found == pytest.approx(1, abs=1e-9)
    assert 0 < noise < 0.9


def test_a_transformer_is_read_at_its_hidden_layer():
    snapshot = snapshot_of(S4, model=Transformer(d_model=8, num_heads=2, d_mlp=12))
    names = ["coset_concentration", "irreducible_shares"]
    found = measure(snapshot, [METRICS[name] for name in names])
    assert 0 < found["coset_concentration"] < 1
    assert 0 < found["irreducible_shares"] < 1


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (Group(family="cyclic", n=7), "cyclic 7 has no subgroups"),
        (Group(family="dihedral", n=101), "202 elements"),
    ],
)
def test_a_group_without_usable_subgroups_is_refused(task, said):
    with pytest.raises(ScienceError, match=rf"^this task has .*{said}"):
        METRICS["coset_concentration"].function(snapshot_of(task))
