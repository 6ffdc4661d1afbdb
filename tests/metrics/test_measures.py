import math

import numpy as np
import pytest
import torch

from grokscope.errors import ConfigError
from grokscope.metrics import METRICS, Metric, measure, metric
from grokscope.metrics.curves import accuracy
from grokscope.models.transformer import Transformer
from grokscope.objectives import Objective
from grokscope.objectives.cross_entropy import CrossEntropy
from grokscope.objectives.l2 import L2
from grokscope.problem import Problem
from grokscope.snapshot import Snapshot
from grokscope.tasks import Data
from grokscope.tasks.modular import Modular

WEIGHT = 0.03


@pytest.fixture
def snapshot():
    problem, flat = Problem.build(
        task=Modular(p=7),
        data=Data(train_fraction=0.4, label_noise=0.2),
        model=Transformer(d_model=6, num_heads=2, d_mlp=0),
        objective=Objective(CrossEntropy(), (L2(weight=WEIGHT),)),
        seed=3,
        dtype=torch.float64,
    )
    flat.mul_(2)
    return Snapshot(problem, flat)


def logits_of(snapshot, rows):
    network = snapshot.problem.network
    inputs = snapshot.problem.dataset.inputs[rows]
    return network(network.prepare(inputs, share=False)).detach().numpy()


def loss_and_accuracy(logits, targets):
    losses = [math.log(sum(np.exp(z))) - z[y] for z, y in zip(logits, targets, strict=True)]
    right = [int(np.argmax(z)) == y for z, y in zip(logits, targets, strict=True)]
    return sum(losses) / len(losses), sum(right) / len(right)


def test_curves_are_what_a_loop_over_the_examples_finds(snapshot):
    split = snapshot.problem.split
    found = measure(snapshot, [METRICS["curves"]])
    for side, rows in (("train", split.train), ("test", split.test)):
        targets = split.targets[rows].tolist()
        loss, share = loss_and_accuracy(logits_of(snapshot, rows), targets)
        assert found[f"{side}_loss"] == pytest.approx(loss, rel=1e-10)
        assert found[f"{side}_acc"] == pytest.approx(share, abs=1e-12)
    penalty = WEIGHT * sum(x * x for x in snapshot.params.tolist()) / 2
    assert found["penalty"] == pytest.approx(penalty, rel=1e-10)
    assert found["total_loss"] == pytest.approx(found["train_loss"] + penalty, rel=1e-10)
    assert set(found) == {
        "train_loss",
        "test_loss",
        "train_acc",
        "test_acc",
        "penalty",
        "total_loss",
    }


def test_accuracy_is_the_share_of_right_answers():
    logits = torch.tensor([[1.0, 2.0], [3.0, 0.0], [0.0, 1.0]])
    assert accuracy(logits, torch.tensor([1, 0, 0])).item() == pytest.approx(2 / 3)


def test_logits_of_all_examples_are_in_the_order_of_the_dataset(snapshot):
    everything = torch.arange(len(snapshot.problem.dataset))
    np.testing.assert_allclose(
        snapshot.all_logits.numpy(), logits_of(snapshot, everything), rtol=1e-10, atol=1e-12
    )


def test_weight_norms_are_roots_of_sums_of_squares(snapshot):
    found = measure(snapshot, [METRICS["weight_norm"]])
    named = dict(snapshot.problem.network.named_parameters())
    assert set(found) == {"weight_norm", *(f"weight_norm.{name}" for name in named)}
    for name, x in named.items():
        expected = math.sqrt(sum(v * v for v in x.detach().flatten().tolist()))
        assert found[f"weight_norm.{name}"] == pytest.approx(expected, rel=1e-12)
    total = math.sqrt(sum(found[f"weight_norm.{name}"] ** 2 for name in named))
    assert found["weight_norm"] == pytest.approx(total, rel=1e-12)


def test_the_gradient_norm_is_that_of_finite_differences(snapshot):
    problem, flat = snapshot.problem, snapshot.params
    found = measure(snapshot, [METRICS["gradient_norm"]])["gradient_norm"]
    squares = 0.0
    for i in range(len(flat)):
        sides = []
        for sign in (1, -1):
            flat[i] += sign * 1e-5
            with torch.no_grad():
                sides.append(problem.terms(problem.train).total.item())
            flat[i] -= sign * 1e-5
        squares += ((sides[0] - sides[1]) / 2e-5) ** 2
    assert found == pytest.approx(math.sqrt(squares), rel=1e-6)


def test_the_representation_norm_is_that_of_what_the_unembedding_reads(snapshot):
    found = measure(snapshot, [METRICS["representation_norm"]])["representation_norm"]
    matrix = dict(snapshot.problem.network.named_parameters())["unembed.weight"].detach().numpy()
    logits = logits_of(snapshot, snapshot.problem.split.train)
    rows = np.linalg.lstsq(matrix, logits.T, rcond=None)[0].T  # 7 equations for 6 numbers
    np.testing.assert_allclose(rows @ matrix.T, logits, atol=1e-10)
    expected = sum(math.sqrt(sum(v * v for v in row)) for row in rows) / len(rows)
    assert found == pytest.approx(expected, rel=1e-8)


def test_the_baseline_is_that_of_the_split(snapshot):
    problem = snapshot.problem
    operands = problem.dataset.operands().tolist()
    targets = problem.split.targets.tolist()
    known = {tuple(operands[t]): targets[t] for t in problem.split.train.tolist()}
    test = problem.split.test.tolist()
    right = [known.get(tuple(reversed(operands[e]))) == targets[e] for e in test]
    found = measure(snapshot, [METRICS["lookup_baseline"]])
    assert found == {"lookup_baseline": pytest.approx(sum(right) / len(test), abs=1e-12)}


def test_what_is_given_is_not_computed_again(snapshot):
    given = {"train_logits": torch.zeros_like(snapshot.train_logits)}
    told = Snapshot(snapshot.problem, snapshot.params, given=given)
    found = measure(told, [METRICS["curves"]])
    assert found["train_loss"] == pytest.approx(math.log(7), rel=1e-12)
    assert found["test_loss"] == measure(snapshot, [METRICS["curves"]])["test_loss"]


def part(name, function):
    return Metric(name, function, label="", group="", scale="linear", cost="free", source="")


def test_one_number_takes_the_name_of_its_metric(snapshot):
    assert measure(snapshot, [part("seven", lambda s: 7)]) == {"seven": 7.0}
    assert measure(snapshot, [part("eight", lambda s: torch.tensor(8))]) == {"eight": 8.0}


def test_two_metrics_cannot_fill_one_column(snapshot):
    clash = part("mine", lambda s: {"train_loss": 0.0})
    expected = r"^metric 'mine': the column 'train_loss' exists already$"
    with pytest.raises(ConfigError, match=expected):
        measure(snapshot, [METRICS["curves"], clash])


def test_the_name_of_a_metric_can_be_taken_once():
    def curves(snapshot):
        return 0.0

    with pytest.raises(ConfigError, match=r"^metric: the name 'curves' is taken by"):
        metric(label="", group="")(curves)


def test_an_unknown_metric_is_named_with_its_nearest():
    with pytest.raises(ConfigError, match=r"^unknown metric 'weigth_norm'; did you mean 'weight_n"):
        METRICS["weigth_norm"]
