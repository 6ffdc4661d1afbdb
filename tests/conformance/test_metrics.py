"""What every metric promises, for every metric there is."""

import math

import pytest
import torch

from grokscope.errors import ScienceError
from grokscope.metrics import METRICS, measure
from grokscope.models.gated import Gated
from grokscope.models.mlp import MLP
from grokscope.models.routed import Routed
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
    "routed": Routed(width=8, num_heads=3, d_head=4, d_state=4, d_router=4),
    "gated": Gated(width=8, max_depth=3, d_hidden=4),
}
ONLY = {
    # Metrics that have no meaning for every network, and those for which they have one.
    "gate_values": {"gated"},
    "effective_depth": {"gated"},
    "gate_entropy": {"gated"},
    "compute_cost": {"gated"},
    "routing_entropy": {"routed"},
    "utilization_gini": {"routed"},
    "dominant_head": {"routed"},
    "effective_subnetwork": {"mlp"},
    "gradient_symmetricity": {"transformer"},
    "representation_quality": {"mlp", "transformer", "gated", "routed"},
    "irreducible_shares": set(),
    "coset_concentration": set(),
    "single_frequency_units": {"mlp", "transformer", "gated"},
}
STEPS = 3
RULE = AdamW(lr=1e-2, weight_decay=0.1)
pytestmark = pytest.mark.filterwarnings(
    # PyTorch compiles its own forward-mode formulas with what it deprecates itself.
    "ignore:.torch.jit.script. is deprecated:DeprecationWarning"
)


@pytest.fixture
def trained(request):
    """Return a problem after a few steps, its parameters and the state of its optimizer."""
    problem, flat = Problem.build(
        task=Modular(p=5),
        data=Data(train_fraction=0.6),
        model=MODELS[request.param],
        objective=Objective(CrossEntropy(), (L2(weight=0.01),)),
        seed=0,
    )
    transform = RULE.transform(problem.layout, Schedule())
    state = transform.init(flat)
    for step in range(STEPS):
        _, gradient = problem.gradient(problem.train)
        change, state = transform.update(gradient, state, flat, step)
        flat.add_(change)
    return problem, flat, state


def snapshot_of(trained):
    problem, flat, state = trained
    return Snapshot(problem, flat, step=STEPS, optimizer=state, rule=RULE)


every_metric = pytest.mark.parametrize("name", sorted(METRICS))

CASES = [(name, model) for name in sorted(METRICS) for model in sorted(ONLY.get(name, MODELS))]
every_case = pytest.mark.parametrize(("name", "trained"), CASES, indirect=["trained"])


def test_there_are_metrics():
    assert {"curves", "lookup_baseline", "weight_norm"} <= set(METRICS)


@every_case
def test_a_metric_gives_finite_numbers(name, trained):
    values = measure(snapshot_of(trained), [METRICS[name]])
    assert values
    assert all(type(value) is float and math.isfinite(value) for value in values.values())


@every_case
def test_every_column_is_known_to_be_of_its_metric(name, trained):
    columns = list(measure(snapshot_of(trained), [METRICS[name]]))
    assert sorted(METRICS[name].columns(["step", *columns])) == sorted(columns)
    claimed = [other for other in METRICS.values() for c in columns if other.columns([c])]
    assert {part.name for part in claimed} == {name}


@every_case
def test_a_metric_gives_the_same_numbers_when_asked_again(name, trained):
    snapshot = snapshot_of(trained)
    first = measure(snapshot, [METRICS[name]])
    assert measure(snapshot, [METRICS[name]]) == first
    assert measure(snapshot_of(trained), [METRICS[name]]) == first


@every_case
def test_a_metric_changes_nothing(name, trained):
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


@pytest.mark.parametrize("trained", sorted(MODELS), indirect=True)
def test_no_two_metrics_share_a_column(trained, request):
    kind = request.node.callspec.params["trained"]
    names = [name for name, model in CASES if model == kind]
    snapshot = snapshot_of(trained)
    together = measure(snapshot, [METRICS[name] for name in names])
    assert len(together) == sum(len(measure(snapshot, [METRICS[name]])) for name in names)


@pytest.mark.parametrize(
    ("name", "trained"),
    [
        (name, model)
        for name in sorted(METRICS)
        for model in sorted(MODELS)
        if (name, model) not in CASES
    ],
    indirect=["trained"],
)
def test_a_metric_without_meaning_here_is_left_out_with_its_reason(name, trained):
    snapshot = snapshot_of(trained)
    with pytest.raises(ScienceError, match=r"^this (network|task) .*"):
        METRICS[name].function(snapshot)
    missing = {}
    assert measure(snapshot, [METRICS[name]], missing=missing) == {}
    assert missing[name].startswith(("ScienceError: this network ", "ScienceError: this task "))


@every_metric
def test_a_metric_says_what_it_is(name):
    part = METRICS[name]
    assert part.name == name
    assert part.label
    assert part.group
    assert part.doc.endswith((".", ")"))
    assert part.scale in ("linear", "log")
    assert part.cost in ("free", "forward", "backward", "heavy")
