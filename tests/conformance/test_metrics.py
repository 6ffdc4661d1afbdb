"""What every metric promises, for every metric there is."""

import math

import pytest
import torch

from grokscope.errors import ScienceError
from grokscope.metrics import METRICS, measure
from grokscope.models.mlp import MLP
from grokscope.models.transformer import Transformer
from grokscope.objectives import Objective
from grokscope.objectives.cross_entropy import CrossEntropy
from grokscope.objectives.l2 import L2
from grokscope.optim import Schedule
from grokscope.optim.adam import AdamW
from grokscope.problem import Problem
from grokscope.snapshot import Snapshot
from grokscope.tasks import Data
from grokscope.tasks.modular import Modular

MODELS = {
    "mlp": MLP(width=8),
    "transformer": Transformer(d_model=8, num_heads=2, d_mlp=8),
}
STEPS = 3
# Metrics that speak of something a network may not have; on others they must say so.
NEEDS = {"effective_subnetwork": {"mlp"}}
pytestmark = pytest.mark.filterwarnings(
    # PyTorch compiles its own forward-mode formulas with what it deprecates itself.
    "ignore:.torch.jit.script. is deprecated:DeprecationWarning"
)


@pytest.fixture(params=sorted(MODELS))
def trained(request):
    """Return a problem after a few steps, its parameters and the state of its optimizer."""
    problem, flat = Problem.build(
        task=Modular(p=5),
        data=Data(train_fraction=0.6),
        model=MODELS[request.param],
        objective=Objective(CrossEntropy(), (L2(weight=0.01),)),
        seed=0,
    )
    transform = AdamW(lr=1e-2, weight_decay=0.1).transform(problem.layout, Schedule())
    state = transform.init(flat)
    for step in range(STEPS):
        _, gradient = problem.gradient(problem.train)
        change, state = transform.update(gradient, state, flat, step)
        flat.add_(change)
    return problem, flat, state


@pytest.fixture
def skips(request):
    """Return a function that says whether a metric refuses the network, checking that it does."""

    def refused(name, snapshot):
        kind = request.node.callspec.params["trained"]
        if kind in NEEDS.get(name, MODELS):
            return False
        with pytest.raises(ScienceError, match=rf"^{name}: needs"):
            measure(snapshot, [METRICS[name]])
        return True

    return refused


def snapshot_of(trained):
    problem, flat, state = trained
    return Snapshot(problem, flat, step=STEPS, optimizer=state)


every_metric = pytest.mark.parametrize("name", sorted(METRICS))


def test_there_are_metrics():
    assert {"curves", "lookup_baseline", "weight_norm"} <= set(METRICS)


@every_metric
def test_a_metric_gives_finite_numbers(name, trained, skips):
    if skips(name, snapshot_of(trained)):
        return
    values = measure(snapshot_of(trained), [METRICS[name]])
    assert values
    assert all(type(value) is float and math.isfinite(value) for value in values.values())


@every_metric
def test_a_metric_gives_the_same_numbers_when_asked_again(name, trained, skips):
    snapshot = snapshot_of(trained)
    if skips(name, snapshot):
        return
    first = measure(snapshot, [METRICS[name]])
    assert measure(snapshot, [METRICS[name]]) == first
    assert measure(snapshot_of(trained), [METRICS[name]]) == first


@every_metric
def test_a_metric_changes_nothing(name, trained, skips):
    if skips(name, snapshot_of(trained)):
        return
    problem, flat, state = trained
    before = flat.clone()
    states = {key: x.clone() for key, x in state.items()}
    logits = problem.network(problem.train.prepared).detach()
    random = torch.get_rng_state()
    measure(snapshot_of(trained), [METRICS[name]])
    assert torch.equal(flat, before)
    assert all(torch.equal(state[key], x) for key, x in states.items())
    assert all(p.grad is None and p.requires_grad for p in problem.network.parameters())
    assert not problem.network.watched
    assert torch.equal(problem.network(problem.train.prepared).detach(), logits)
    assert torch.equal(torch.get_rng_state(), random)


def test_no_two_metrics_share_a_column(trained, skips):
    snapshot = snapshot_of(trained)
    defined = [METRICS[name] for name in METRICS if not skips(name, snapshot)]
    together = measure(snapshot, defined)
    assert len(together) == sum(len(measure(snapshot, [part])) for part in defined)


@every_metric
def test_a_metric_says_what_it_is(name):
    part = METRICS[name]
    assert part.name == name
    assert part.label
    assert part.group
    assert part.doc.endswith((".", ")"))
    assert part.scale in ("linear", "log")
    assert part.cost in ("free", "forward", "backward", "heavy")
