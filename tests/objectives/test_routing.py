import math

import pytest
import torch

from grokscope.models import Gate, Routing, Signal
from grokscope.objectives.routing_consistency import RoutingConsistency
from grokscope.objectives.routing_entropy import RoutingEntropy
from grokscope.objectives.routing_gini import RoutingGini
from grokscope.objectives.routing_sparsity import RoutingSparsity

# Two layers, two examples, three heads.
WEIGHTS = [[[1.0, 0.0, 0.0], [0.5, 0.25, 0.25]], [[0.2, 0.2, 0.6], [0.4, 0.4, 0.2]]]
ROWS = [row for layer in WEIGHTS for row in layer]


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def entropy(row):
    return -sum(w * math.log(w) for w in row if w > 0)


def gini(row):
    return sum(abs(a - b) for a in row for b in row) / (2 * len(row) * sum(row))


def distance(row, other):
    return sum((a - b) ** 2 for a, b in zip(row, other, strict=True))


def middle(rows):
    return [mean(column) for column in zip(*rows, strict=True)]


USED = [middle(layer) for layer in WEIGHTS]
BY_EXAMPLE = [list(pair) for pair in zip(*WEIGHTS, strict=True)]


@pytest.mark.parametrize(
    ("penalty", "expected"),
    [
        (RoutingEntropy(), mean(map(entropy, ROWS))),
        (RoutingSparsity(), mean(1 - sum(w * w for w in row) for row in ROWS)),
        (RoutingGini(), mean(map(gini, USED))),
        (RoutingGini(favors="unequal"), 1 - mean(map(gini, USED))),
        (
            RoutingConsistency(),
            mean(distance(row, middle(layer)) for layer in WEIGHTS for row in layer),
        ),
        (
            RoutingConsistency(between="layers"),
            mean(distance(row, middle(pair)) for pair in BY_EXAMPLE for row in pair),
        ),
    ],
    ids=str,
)
def test_each_penalty_is_the_one_counted_by_hand(penalty, expected):
    layers = [torch.tensor(layer, dtype=torch.float64) for layer in WEIGHTS]
    signals = [Signal(Routing(), layer, layer) for layer in layers]
    gate = torch.tensor([0.5, 0.5], dtype=torch.float64)
    found = penalty.of([Signal(Gate(1), gate, gate), *signals])
    assert found.item() == pytest.approx(expected, rel=1e-12)
    assert expected > 0.01


def test_examples_on_one_route_are_consistent_and_heads_used_alike_are_equal():
    alike = torch.tensor([[[0.7, 0.3], [0.7, 0.3]], [[0.1, 0.9], [0.1, 0.9]]])
    assert RoutingConsistency().of_weights(alike).item() == pytest.approx(0, abs=1e-12)
    assert RoutingConsistency(between="layers").of_weights(alike).item() > 0.1
    balanced = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    assert RoutingGini().of_weights(balanced).item() == pytest.approx(0, abs=1e-7)
