"""What every loss and every penalty promises, for every one there is."""

import dataclasses
import math
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
import torch

from grokscope.errors import ConfigError
from grokscope.models import Init, initialize
from grokscope.models.gated import Gated
from grokscope.models.mlp import MLP
from grokscope.models.routed import Routed
from grokscope.models.transformer import Transformer
from grokscope.objectives import LOSSES, PENALTIES, Objective, View
from grokscope.objectives.cross_entropy import CrossEntropy
from grokscope.ops.params import layout_of
from grokscope.problem import Problem
from grokscope.tasks import Data
from grokscope.tasks.modular import Modular


def softplus_sum(z, y):
    return math.log(sum(math.exp(c) for c in z)) - z[y]


def squared(z, y, combine):
    squares = [(c - (1.0 if i == y else 0.0)) ** 2 for i, c in enumerate(z)]
    return sum(squares) / (len(z) if combine == "mean" else 1)


def stablemax(z, y):
    s = [c + 1 if c >= 0 else 1 / (1 - c) for c in z]
    return -math.log(s[y] / sum(s))


def hinge(z, y, margin):
    return sum(max(0.0, margin - z[y] + c) for i, c in enumerate(z) if i != y) / len(z)


FORMULAS = {
    "cross_entropy": lambda loss, z, y: softplus_sum(z, y),
    "mse": lambda loss, z, y: squared(z, y, loss.over_classes),
    "stablemax": lambda loss, z, y: stablemax(z, y),
    "hinge": lambda loss, z, y: hinge(z, y, loss.margin),
}
EXTRA = {"hinge": [{"margin": 0.3}, {"margin": 5.0}]}


def variants(cls):
    yield cls()
    for name, hint in get_type_hints(cls).items():
        if get_origin(hint) is Literal:
            for choice in get_args(hint):
                yield cls(**{name: choice})
    for extra in EXTRA.get(vars(cls)["kind"], []):
        yield cls(**extra)


ALL_LOSSES = list(dict.fromkeys(loss for kind in LOSSES for loss in variants(LOSSES[kind])))
every_loss = pytest.mark.parametrize("loss", ALL_LOSSES, ids=repr)
every_penalty = pytest.mark.parametrize("kind", sorted(PENALTIES))
ALL_PENALTIES = list(
    dict.fromkeys(part for kind in PENALTIES for part in variants(PENALTIES[kind]))
)


def random_logits(n=7, classes=5):
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(n, classes, generator=generator, dtype=torch.float64)
    return logits, torch.arange(n) % classes


def test_every_kind_of_loss_is_covered():
    assert {loss.kind for loss in ALL_LOSSES} == set(LOSSES)
    assert len(LOSSES) >= 4


@every_loss
def test_a_loss_is_its_formula(loss):
    if loss.kind not in FORMULAS:
        pytest.fail(f"the loss {loss.kind!r} has no formula in this test: write it in plain Python")
    logits, targets = random_logits()
    expected = [
        FORMULAS[loss.kind](loss, z, y)
        for z, y in zip(logits.tolist(), targets.tolist(), strict=True)
    ]
    found = loss.per_example(logits, targets).tolist()
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-14)


@every_loss
def test_a_loss_is_differentiable(loss):
    logits, targets = random_logits()
    leaf = logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: loss.per_example(z, targets), (leaf,))


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [0.0, 1.0, 100.0])
def test_a_loss_and_its_gradient_are_finite_in_the_dtype_of_the_logits(loss, dtype, scale):
    logits, targets = random_logits()
    leaf = (scale * logits).to(dtype).requires_grad_()
    losses = loss.per_example(leaf, targets)
    assert losses.dtype == dtype
    assert losses.shape == (7,)
    assert torch.isfinite(losses).all()
    (gradient,) = torch.autograd.grad(losses.sum(), leaf)
    assert torch.isfinite(gradient).all()


@every_loss
def test_a_right_answer_costs_less_than_a_wrong_one(loss):
    logits = torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64)
    right, wrong = (loss.per_example(logits, torch.tensor([y])) for y in (0, 1))
    assert right < wrong


@every_loss
def test_an_example_does_not_see_the_others(loss):
    logits, targets = random_logits()
    together = loss.per_example(logits, targets)
    alone = [loss.per_example(logits[i : i + 1], targets[i : i + 1]) for i in range(7)]
    assert torch.allclose(together, torch.cat(alone), rtol=1e-14, atol=0)


def network_of(model):
    dataset = Modular(p=5).dataset()
    network = model.build(dataset.signature)
    flat = initialize(network, model.initialization, 0, dtype=torch.float64)
    prepared = network.prepare(dataset.inputs)
    return network, flat, View(network, prepared, prepared, (5, 5))


def value_at(penalty, network, flat, view):
    params = layout_of(network).split(flat)

    def apply(inputs):
        return torch.func.functional_call(network, params, (inputs,))

    return penalty.value(apply, params, view if penalty.views else view.inputs)


MODELS = {
    "mlp": MLP(width=6, inputs="embedded", d_embed=4, activation="tanh"),
    "transformer": Transformer(d_model=8, num_heads=2, d_mlp=8, activation="gelu"),
    "routed": Routed(width=8, num_heads=3, d_head=4, activation="gelu", init=Init(scale=2.0)),
    "gated": Gated(width=8, d_hidden=4, initial_gate=0.7, activation="gelu", gate_sees="input"),
}


def meaningful(penalty, model):
    network, _, _ = network_of(MODELS[model])
    try:
        penalty.check(Modular(p=5), network)
    except ConfigError:
        return False
    return True


CASES = [
    (penalty, model)
    for penalty in ALL_PENALTIES
    for model in sorted(MODELS)
    if meaningful(penalty, model)
]
every_case = pytest.mark.parametrize(
    ("penalty", "model"), CASES, ids=[f"{penalty}-{model}" for penalty, model in CASES]
)


def test_there_are_penalties():
    assert len(PENALTIES) >= 1


@every_penalty
def test_a_penalty_has_a_meaning_for_some_network(kind):
    assert kind in {penalty.kind for penalty, _ in CASES}


@every_case
def test_a_penalty_is_a_finite_scalar_whatever_its_weight(penalty, model):
    network, flat, view = network_of(MODELS[model])
    values = [
        value_at(dataclasses.replace(penalty, weight=weight), network, flat, view)
        for weight in (0.0, 3.0)
    ]
    assert all(value.shape == () and torch.isfinite(value) for value in values)
    assert torch.equal(*values)


@every_case
def test_the_gradient_of_a_penalty_agrees_with_differences(penalty, model):
    network, flat, view = network_of(MODELS[model])
    leaf = flat.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value_at(penalty, network, leaf, view), leaf)
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        direction = torch.randn(len(flat), generator=generator, dtype=torch.float64)
        direction /= direction.norm()
        step = 1e-5 * direction
        ahead, behind = (
            float(value_at(penalty, network, flat + sign * step, view)) for sign in (1, -1)
        )
        along = float((gradient * direction).sum())
        assert along == pytest.approx((ahead - behind) / 2e-5, rel=1e-6, abs=1e-8)
    assert gradient.abs().max() > 0


@every_penalty
@pytest.mark.parametrize("model", sorted(MODELS))
def test_a_penalty_without_meaning_is_refused_before_training(kind, model):
    penalty = PENALTIES[kind](weight=1.0)
    if meaningful(penalty, model):
        return
    with pytest.raises(ConfigError, match=rf"^penalties: {kind} needs .*") as error:
        Problem.build(
            task=Modular(p=5),
            data=Data(),
            model=MODELS[model],
            objective=Objective(CrossEntropy(), (penalty,)),
            seed=0,
        )
    assert len(str(error.value).splitlines()) == 1


@every_penalty
def test_the_weight_of_a_penalty_starts_at_nothing(kind):
    fields = {field.name: field.default for field in dataclasses.fields(PENALTIES[kind])}
    assert fields["weight"] == 0.0
