import math

import numpy as np
import pytest
import torch

from grokscope.errors import ScienceError
from grokscope.metrics import METRICS, measure
from grokscope.metrics.embedding import first_embedding
from grokscope.metrics.fourier import circuit_of
from grokscope.models.mlp import MLP
from grokscope.models.transformer import Transformer
from grokscope.objectives import Objective
from grokscope.objectives.cross_entropy import CrossEntropy
from grokscope.problem import Problem
from grokscope.snapshot import Snapshot
from grokscope.tasks import Data
from grokscope.tasks.modular import Modular

FOURIER = [
    "embedding_gini",
    "embedding_participation",
    "key_frequencies",
    "single_frequency_units",
    "restricted_loss",
    "excluded_loss",
]
TORUS = ["torus_low_share", "torus_representation_low_share", "torus_entropy"]


def made(task, model, seed=0):
    problem, flat = Problem.build(
        task=task,
        data=Data(train_fraction=0.5),
        model=model,
        objective=Objective(CrossEntropy()),
        seed=seed,
        dtype=torch.float64,
    )
    return Snapshot(problem, flat)


def losses(logits, targets):
    rows = [math.log(sum(np.exp(z))) - z[y] for z, y in zip(logits, targets, strict=True)]
    return sum(rows) / len(rows)


@pytest.mark.parametrize(("p", "units"), [(23, 154), (31, 150)])
def test_the_closed_form_network_is_made_of_all_frequencies(closed_form, p, units):
    snapshot = closed_form(p, units)
    assert measure(snapshot, [METRICS["curves"]])["test_acc"] == 1.0
    every = tuple(range(1, (p - 1) // 2 + 1))
    found = circuit_of(snapshot, "here", share=0.75, least=units // len(every))
    assert found.keys == every
    # (cos α + cos β)² has 4/5 of its variation in cos α cos β, and the rest in twice α and β.
    assert found.shares.max(0).values.tolist() == pytest.approx([0.8] * units, abs=1e-12)
    assert circuit_of(snapshot, "here").keys == ()
    measured = measure(snapshot, [METRICS[name] for name in FOURIER])
    assert measured["key_frequencies"] == 0
    assert measured["single_frequency_units"] == 0
    # Every column of W₁ is one wave: ‖F‖ of each dimension is that of one frequency.
    assert measured["embedding_participation"] == pytest.approx(1.0, rel=1e-12)
    assert measured["embedding_gini"] < 0.2


def test_a_network_of_few_frequencies_works_by_them_alone(closed_form):
    snapshot = closed_form(23, 150, frequencies=(2, 5, 9), scale=0.02)
    found = circuit_of(snapshot, "here", share=0.75, least=50)
    assert found.keys == (2, 5, 9)
    # 6 of 22 waves are used, and about equally: their Gini is near (22 - 6)/22.
    gini = measure(snapshot, [METRICS["embedding_gini"]])["embedding_gini"]
    assert gini == pytest.approx(16 / 22, abs=0.05)
    norms = []
    table = first_embedding(snapshot).numpy()
    for k in range(1, 12):
        for wave in (np.cos, np.sin):
            row = wave(2 * math.pi * k * np.arange(23) / 23) * math.sqrt(2 / 23)
            norms.append(np.linalg.norm(row @ table))
    spread = sum(abs(x - y) for x in norms for y in norms) / (2 * 22 * sum(norms))
    assert gini == pytest.approx(spread, rel=1e-10)


def test_restricted_and_excluded_loss_are_those_of_the_sums():
    blank = made(Modular(p=7, operation="subtract"), Transformer(d_model=8, num_heads=2, d_mlp=0))
    a = torch.arange(7)
    turn = 2 * math.pi * 2 / 7 * (a.view(7, 1, 1) - a.view(7, 1) - a)
    noise = torch.randn(7, 7, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    given = {"all_logits": (3 * turn.double().cos() + noise).reshape(49, 7)}
    snapshot = Snapshot(blank.problem, blank.params, given=given)
    keys = circuit_of(snapshot, "here").keys
    assert keys == (2,)
    logits = snapshot.all_logits.numpy()
    operands = snapshot.problem.dataset.operands().numpy()
    turns = operands[:, 0] - operands[:, 1]
    kept = np.zeros_like(logits)
    for k in keys:
        for wave in (np.cos, np.sin):
            row = wave(2 * math.pi * k * turns / 7)
            kept += np.outer(row, row @ logits) / (row @ row)
    split = snapshot.problem.split
    targets = split.targets.numpy()
    found = measure(snapshot, [METRICS["restricted_loss"], METRICS["excluded_loss"]])
    restricted = kept + (logits - kept).mean(0)
    for name, rows in (
        ("restricted_loss", slice(None)),
        ("restricted_loss.train", split.train.numpy()),
        ("restricted_loss.test", split.test.numpy()),
    ):
        expected = losses(restricted[rows], targets[rows])
        assert found[name] == pytest.approx(expected, rel=1e-10)
    rows = split.train.numpy()
    expected = losses((logits - kept)[rows], targets[rows])
    assert found["excluded_loss"] == pytest.approx(expected, rel=1e-10)


def test_the_torus_measures_are_those_of_the_dense_laplacian():
    p = 7
    snapshot = made(Modular(p=p), MLP(width=9))
    adjacency = np.zeros((p * p, p * p))
    for a in range(p):
        for b in range(p):
            for c, d in ((a + 1, b), (a - 1, b), (a, b + 1), (a, b - 1)):
                adjacency[a * p + b, (c % p) * p + d % p] += 1
    values, vectors = np.linalg.eigh(np.eye(p * p) - adjacency / 4)
    logits = snapshot.all_logits.numpy()
    hidden = snapshot.everywhere("representation").numpy()
    for grid, name in ((logits, "torus_low_share"), (hidden, "torus_representation_low_share")):
        squares = ((vectors.T @ grid) ** 2).sum(1)[1:]
        function = METRICS[name].function
        cutoff = 0.5
        expected = squares[values[1:] <= cutoff].sum() / squares.sum()
        found = function(snapshot, fraction=None, cutoff=cutoff)
        assert found[name].item() == pytest.approx(expected, abs=1e-10)
        count = int((values[1:] <= cutoff).sum())
        assert function(snapshot, fraction=None, count=count)[name].item() == pytest.approx(
            expected, abs=1e-10
        )
        fraction = function(snapshot, fraction=count / 48)[name].item()
        assert fraction == pytest.approx(expected, abs=1e-10)
        with_zero = ((vectors.T @ grid) ** 2).sum(1)
        expected = with_zero[values <= cutoff].sum() / with_zero.sum()
        found = function(snapshot, fraction=None, cutoff=cutoff, zero_mode=True)
        assert found[name].item() == pytest.approx(expected, abs=1e-10)


def test_a_circuit_at_high_frequency_is_smooth_after_relabeling(closed_form):
    snapshot = closed_form(23, 150, frequencies=(10,))
    found = METRICS["torus_low_share"].function(snapshot, fraction=None, count=8)
    assert found["torus_low_share"].item() <= 0.1
    assert found["torus_low_share.best"].item() >= 0.9


def test_the_torus_entropy_is_that_of_the_shares():
    p = 5
    snapshot = made(Modular(p=p), MLP(width=6))
    found = measure(snapshot, [METRICS["torus_entropy"]])
    sources = {
        "torus_entropy": snapshot.all_logits,
        "torus_entropy.representation": snapshot.everywhere("representation"),
    }
    for name, values in sources.items():
        grid = values.reshape(p, p, -1).numpy()
        squares = (np.abs(np.fft.fft2(grid, axes=(0, 1))) ** 2).sum(-1).flatten()[1:]
        shares = squares / squares.sum()
        expected = -(shares * np.log(shares)).sum() / math.log(24)
        assert found[name] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("name", [*FOURIER[2:], *TORUS])
@pytest.mark.parametrize(
    ("task", "reason"),
    [
        (Modular(p=5, operation="multiply"), r"needs an answer ±a ± b modulo 5"),
        (Modular(p=5, pairs="unordered"), r"needs all 25 ordered pairs"),
    ],
)
def test_a_task_without_the_symmetry_is_refused_in_words(name, task, reason):
    snapshot = made(task, MLP(width=4))
    with pytest.raises(ScienceError, match=f"^{name}: {reason}"):
        METRICS[name].function(snapshot)


def test_activations_of_every_example_are_in_the_order_of_the_dataset():
    snapshot = made(Modular(p=5), Transformer(d_model=8, num_heads=2, d_mlp=6))
    problem = snapshot.problem
    found = snapshot.everywhere("blocks.0.mlp.hidden")
    for side, rows in ((problem.train, problem.split.train), (problem.test, problem.split.test)):
        expected = problem.activation("blocks.0.mlp.hidden", side)
        assert torch.equal(found[rows], expected)
