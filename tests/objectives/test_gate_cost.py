import math

import pytest
import torch

from grokscope.models import Gate, Signal
from grokscope.objectives.gate_cost import GateCost

# Two examples; the second layer costs three times the first.
GATES = [[0.9, 0.7], [0.2, 0.4]]
FLOPS = [10, 30]


def entropy(g):
    return -g * math.log(g) - (1 - g) * math.log(1 - g)


def signals(values=GATES, soft=None):
    rows = zip(FLOPS, values, soft or values, strict=True)
    double = torch.float64
    return [
        Signal(Gate(flops), torch.tensor(row, dtype=double), torch.tensor(shown, dtype=double))
        for flops, row, shown in rows
    ]


@pytest.mark.parametrize(
    ("penalty", "expected"),
    [
        (GateCost(), 0.8 + 0.3),
        (GateCost(cost="weighted"), (0.8 * 10 + 0.3 * 30) / 40),
        (GateCost(cost="entropy"), sum(entropy(g) for row in GATES for g in row) / 2),
        (
            GateCost(cost="sum_entropy", entropy_factor=0.5),
            1.1 + sum(entropy(g) for row in GATES for g in row) / 4,
        ),
    ],
    ids=str,
)
def test_each_cost_is_the_one_counted_by_hand(penalty, expected):
    assert penalty.of(signals()).item() == pytest.approx(expected, rel=1e-12)


def test_the_entropy_of_steps_is_that_of_the_sigmoid_behind_them():
    steps = signals([[1.0, 1.0], [0.0, 1.0]], soft=GATES)
    assert GateCost().of(steps).item() == pytest.approx(1.5)
    expected = sum(entropy(g) for row in GATES for g in row) / 2
    assert GateCost(cost="entropy").of(steps).item() == pytest.approx(expected, rel=1e-12)
