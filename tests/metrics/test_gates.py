import math

import pytest
import torch

from grokscope.metrics import METRICS, measure
from grokscope.models import capture
from grokscope.models.gated import Gated
from grokscope.models.routed import Routed
from grokscope.objectives import Objective
from grokscope.objectives.cross_entropy import CrossEntropy
from grokscope.problem import Problem
from grokscope.snapshot import Snapshot
from grokscope.tasks import Data
from grokscope.tasks.modular import Modular


def snapshot_of(model):
    problem, flat = Problem.build(
        task=Modular(p=7),
        data=Data(train_fraction=0.4),
        model=model,
        objective=Objective(CrossEntropy()),
        seed=3,
        dtype=torch.float64,
    )
    generator = torch.Generator().manual_seed(0)
    flat += 0.4 * torch.randn(len(flat), generator=generator, dtype=torch.float64)
    return Snapshot(problem, flat)


def seen_at(snapshot, probe, layers):
    """Return what passes a probe of each layer for each training example, as lists."""
    network = snapshot.problem.network
    inputs = snapshot.problem.dataset.inputs[snapshot.problem.split.train]
    with capture(network) as seen:
        network(network.prepare(inputs, share=False))
    return [seen[f"layers.{layer}.{probe}"].tolist() for layer in range(layers)]


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def entropy(g):
    return -g * math.log(g) - (1 - g) * math.log(1 - g)


@pytest.mark.parametrize("gate_sees", ["nothing", "input"])
def test_the_metrics_of_gates_are_those_of_a_loop(gate_sees):
    model = Gated(
        width=6, max_depth=3, d_hidden=8, growth=0.5, initial_gate=0.5, gate_sees=gate_sees
    )
    snapshot = snapshot_of(model)
    gates = seen_at(snapshot, "gate", 3)
    names = ["gate_values", "effective_depth", "gate_entropy", "compute_cost"]
    found = measure(snapshot, [METRICS[name] for name in names])
    means = [mean(layer) for layer in gates]
    expected = {
        "gate_values": mean(means),
        **{f"gate_values.{number}": value for number, value in enumerate(means)},
        "effective_depth": sum(means),
        "open_gates": mean(sum(g > 0.5 for g in example) for example in zip(*gates, strict=True)),
        "gate_entropy": sum(mean(map(entropy, layer)) for layer in gates),
        "compute_cost": (8 * means[0] + 4 * means[1] + 2 * means[2]) / 14,
    }
    assert found == pytest.approx(expected, rel=1e-10)
    assert 0 < found["effective_depth"] < 3


def test_the_entropy_of_a_straight_through_gate_is_that_of_its_sigmoid():
    snapshot = snapshot_of(Gated(width=6, max_depth=3, gate="straight_through", initial_gate=0.6))
    logits = [layer.logit.item() for layer in snapshot.problem.network.layers]
    names = ["gate_entropy", "effective_depth"]
    found = measure(snapshot, [METRICS[name] for name in names])
    expected = sum(entropy(1 / (1 + math.exp(-a))) for a in logits)
    assert found["gate_entropy"] == pytest.approx(expected, rel=1e-10)
    assert found["effective_depth"] == found["open_gates"] == sum(a >= 0 for a in logits)


def test_the_metrics_of_routing_are_those_of_a_loop():
    snapshot = snapshot_of(Routed(width=6, num_layers=2, num_heads=3, d_head=4))
    layers = seen_at(snapshot, "routing", 2)
    names = ["routing_entropy", "utilization_gini", "dominant_head"]
    found = measure(snapshot, [METRICS[name] for name in names])
    rows = [row for layer in layers for row in layer]
    used = [[mean(column) for column in zip(*layer, strict=True)] for layer in layers]
    shares = [
        [mean(row.index(max(row)) == i for row in layer) for i in range(3)] for layer in layers
    ]
    ginis = [sum(abs(a - b) for a in u for b in u) / (6 * sum(u)) for u in used]
    expected = {
        "routing_entropy": mean(-sum(w * math.log(w) for w in row) for row in rows),
        "routing_entropy_max": math.log(3),
        "utilization_gini": mean(ginis),
        "dominant_head": mean(max(layer) for layer in shares),
    }
    for layer in range(2):
        for head in range(3):
            expected[f"utilization.{layer}.{head}"] = used[layer][head]
            expected[f"dominant_head.{layer}.{head}"] = shares[layer][head]
    assert found == pytest.approx(expected, rel=1e-10)
    assert len({tuple(row) for row in shares}) == 2
