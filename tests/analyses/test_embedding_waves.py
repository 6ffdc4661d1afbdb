import cmath
import dataclasses
import math

import numpy as np
import pytest

import grokscope
from grokscope.analyses.embedding_waves import first_embedding
from grokscope.config import load
from grokscope.errors import ScienceError
from grokscope.store import create


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("waves")
    overrides = ["steps=40", "task.p=7", "model.width=24", "checkpoint.early=[0,20]"]
    return grokscope.train("norm-minimization-17", overrides, out=out)


def test_shares_ratios_and_cosines_are_those_of_the_sums(run):
    result = run.analyze("embedding_waves")
    assert result.arrays["steps"].tolist() == run.steps == [0, 20, 40]
    assert result.arrays["frequencies"].tolist() == [1, 2, 3]
    for row, step in enumerate(run.steps):
        columns = run.snapshot(step).tensors["first.weight"].numpy().T
        energies = []
        for k in (1, 2, 3):
            turns = [cmath.exp(-2j * math.pi * j * k / 7) for j in range(7)]
            wave = sum(turn * columns[j] for j, turn in enumerate(turns)) / 7
            real, imaginary = np.linalg.norm(wave.real), np.linalg.norm(wave.imag)
            energies.append(real**2 + imaginary**2)
            assert result.arrays["ratio"][row, k - 1] == pytest.approx(real / imaginary)
            cosine = wave.real @ wave.imag / real / imaginary
            assert result.arrays["cosine"][row, k - 1] == pytest.approx(cosine, abs=1e-12)
        expected = np.array(energies) / sum(energies)
        assert result.arrays["share"][row] == pytest.approx(expected)
    weights = result.arrays["share"][-1]
    for when, row in (("first", 0), ("last", -1)):
        shares, ratios, cosines = (result.arrays[x][row] for x in ("share", "ratio", "cosine"))
        turn = sum(w * abs(math.log(r)) for w, r in zip(weights, ratios, strict=True))
        lean = sum(w * abs(c) for w, c in zip(weights, cosines, strict=True))
        assert result.scalars[f"{when}_log_ratio"] == pytest.approx(turn)
        assert result.scalars[f"{when}_cosine"] == pytest.approx(lean)
        effective = 1 / sum(share**2 for share in shares)
        assert result.scalars[f"{when}_frequencies"] == pytest.approx(effective)
        spread = sum(abs(x - y) for x in shares for y in shares) / (2 * 3)
        assert result.scalars[f"{when}_gini"] == pytest.approx(spread)


@pytest.mark.parametrize(
    ("overrides", "tensor", "shape"),
    [
        (["model.kind=mlp", "model.width=6"], "first.weight", (5, 6)),
        (["model.inputs=embedded", "model.d_embed=4"], "embed.weight", (5, 4)),
        (
            ["model.kind=transformer", "model.d_model=8", "model.num_heads=2"],
            "embed.weight",
            (5, 8),
        ),
    ],
)
def test_the_embedding_of_every_model_is_found(tmp_path, overrides, tensor, shape):
    small = ["task.p=5", "steps=1", *overrides]
    snapshot = grokscope.train("quick", small, out=tmp_path).snapshot()
    table = first_embedding(snapshot)
    assert table.shape == shape
    rows = snapshot.tensors[tensor]
    assert table[2].tolist() == (rows[:, 2] if tensor == "first.weight" else rows[2]).tolist()


def test_operands_that_are_no_residues_are_refused(tmp_path):
    overrides = ["task.kind=group", "task.family=dihedral", "task.n=3", "steps=1"]
    other = grokscope.train("quick", overrides, out=tmp_path)
    with pytest.raises(
        ScienceError, match=r"^embedding_waves: needs two operands modulo p; the dih"
    ):
        other.analyze("embedding_waves")


def test_a_run_without_checkpoints_is_refused(tmp_path):
    config = dataclasses.replace(load("quick", environment={}), name="empty")
    with create(tmp_path / "empty", config, {}):
        pass
    with pytest.raises(ScienceError, match="embedding_waves: no checkpoint was saved yet"):
        grokscope.open(tmp_path / "empty").analyze("embedding_waves")
