"""What every model promises, for every model there is."""

import copy
import dataclasses
import functools
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call, grad, jvp, vmap

from grokscope.errors import ConfigError
from grokscope.models import MODELS, capture, initialize, replace
from grokscope.ops.params import layout_of
from grokscope.tasks.digits import Digits
from grokscope.tasks.mixed import Mixed
from grokscope.tasks.modular import Modular
from grokscope.tasks.parity import Parity
from grokscope.tasks.sequence import Sequence

EXTRA = {
    "transformer": [
        {},
        {"d_mlp": 0, "causal": False},
        {"d_mlp": 0, "tied": True, "norm": "pre", "num_layers": 2},
        {"num_layers": 2, "norm": "pre", "attention_biases": True, "activation": "gelu"},
        {"num_layers": 2, "norm": "post", "causal": False, "activation": "tanh"},
        {"num_layers": 2, "mlp_biases": False, "activation": "quadratic"},
        {"num_heads": 1, "norm": "post", "tied": True},
        {"attention_rate": 0.3, "activation": "gelu"},
        {"attention_rate": 0.9, "num_layers": 2, "norm": "pre"},
        {"attention_rate": 0.5, "causal": False, "d_mlp": 0},
    ],
    "lenet": [
        {"channels": (2, 3), "kernel": 3, "padding": "same", "activation": "tanh"},
        {"channels": (2, 2), "kernel": 2, "activation": "quadratic"},
        {"channels": (3, 2), "padding": "same"},
    ],
    "mlp": [
        {"output_multiplier": 0.1},
        {"inputs": "embedded", "depth": 2, "activation": "gelu"},
        {"depth": 2, "activation": "quadratic", "biases": False},
        {"inputs": "embedded", "activation": "tanh"},
    ],
    "routed": [
        {},
        {"inputs": "embedded", "d_embed": 4, "activation": "gelu", "num_layers": 3},
        {"num_layers": 1, "biases": False, "activation": "quadratic", "num_heads": 2},
    ],
    "gated": [
        {},
        {"inputs": "embedded", "d_embed": 4, "activation": "gelu", "gate": "gumbel"},
        {"gate": "straight_through", "max_depth": 2},
        {"gate_on": "skip", "growth": 1.5, "biases": False, "temperature": 0.5},
        {"gate_on": "highway", "norm": "pre", "activation": "tanh", "gate_sees": "input"},
    ],
}
TASKS = {
    "pairs": Modular(p=5),
    "operations": Mixed(p=4),
    "sequences": Sequence(size=3, length=3, examples=None, operation="reverse"),
    "features": Parity(n=4, k=2, examples=None),
    "images": Digits(),
}


def variants(cls):
    """Yield small configurations: those above, else each choice of each field changed alone."""
    hints = get_type_hints(cls)
    small = {
        field.name: min(field.default, 8)
        for field in dataclasses.fields(cls)
        if hints[field.name] is int
    }
    changes = [{}]
    for name, hint in hints.items():
        if get_origin(hint) is Literal:
            changes += [{name: choice} for choice in get_args(hint)]
        elif hint is bool:
            changes += [{name: choice} for choice in (False, True)]
    for change in EXTRA.get(vars(cls)["kind"], changes):
        try:
            yield cls(**{**small, **change})
        except ConfigError:
            continue  # this combination has no meaning, and says so


ALL = list(dict.fromkeys(model for kind in MODELS for model in variants(MODELS[kind])))
every_model = pytest.mark.parametrize(
    "model", ALL, ids=[f"{number}-{model.kind}" for number, model in enumerate(ALL)]
)


@functools.cache
def dataset_of(task):
    return TASKS[task].dataset()


def reads(model, task):
    """Return whether a model can be built for a task; one that cannot says so."""
    try:
        model.build(dataset_of(task).signature)
    except ConfigError:
        return False
    return True


READS = {model: [task for task in TASKS if reads(model, task)] for model in ALL}
every_pair = pytest.mark.parametrize(
    ("model", "task"),
    [(model, task) for model in ALL for task in READS[model]],
    ids=[f"{i}-{model.kind}-{task}" for i, model in enumerate(ALL) for task in READS[model]],
)


def build(model, task=None, *, seed=0, dtype=torch.float64):
    """Return a network in general position: biases and gains are not at their initial values."""
    network = model.build(dataset_of(task or READS[model][0]).signature)
    flat = initialize(network, model.initialization, seed, dtype=dtype)
    generator = torch.Generator().manual_seed(seed)
    flat += 0.2 * torch.randn(len(flat), generator=generator, dtype=torch.float64).to(dtype)
    return network, flat


def some_inputs(task):
    """Return examples in no order, some of them twice."""
    inputs = dataset_of(task).inputs[:60]
    generator = torch.Generator().manual_seed(1)
    if inputs.is_floating_point():  # equal pixels would tie in a maximum
        inputs = inputs + 0.1 * torch.rand(inputs.shape, generator=generator)
    return inputs[torch.randint(len(inputs), (2 * len(inputs) // 3,), generator=generator)]


def flat_gradient(network, prepared, dtype=torch.float64):
    logits = network(prepared)
    mixer = torch.linspace(-1, 1, logits.numel(), dtype=dtype).view_as(logits)
    loss = (logits * mixer).sum() + logits.square().mean()
    parts = torch.autograd.grad(loss, list(network.parameters()), materialize_grads=True)
    return torch.cat([part.reshape(-1) for part in parts])


def distance(first, second):
    """Return the largest difference relative to the largest value."""
    first, second = first.detach(), second.detach()
    return float((first - second).abs().max() / second.abs().max())


def test_every_kind_is_covered():
    assert {model.kind for model in ALL} == set(MODELS)
    assert len(MODELS) >= 2
    assert all(READS.values())


@every_pair
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_logits_have_one_row_an_example_and_the_dtype_of_the_parameters(model, task, dtype):
    network, _ = build(model, task, dtype=dtype)
    inputs = some_inputs(task)
    for share in (True, False):
        logits = network(network.prepare(inputs, share=share))
        signature = dataset_of(task).signature
        answers = (signature.num_answers,) if signature.num_answers > 1 else ()
        assert logits.shape == (len(inputs), *answers, signature.num_classes)
        assert logits.dtype == dtype
        assert torch.isfinite(logits).all()


@every_pair
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
def test_sharing_changes_neither_values_nor_gradients(model, task, dtype, tolerance):
    network, _ = build(model, task, dtype=dtype)
    for inputs in (some_inputs(task), dataset_of(task).inputs):
        shared, plain = network.prepare(inputs, share=True), network.prepare(inputs, share=False)
        assert distance(network(shared), network(plain)) <= tolerance
        gradients = [flat_gradient(network, prepared, dtype) for prepared in (shared, plain)]
        assert distance(*gradients) <= tolerance


@every_pair
def test_an_example_is_computed_without_regard_to_the_others(model, task):
    network, _ = build(model, task)
    inputs = some_inputs(task)
    together = network(network.prepare(inputs))
    alone = [network(network.prepare(inputs[i : i + 1])) for i in range(4)]
    assert distance(together[:4], torch.cat(alone)) <= 1e-12


@every_pair
@pytest.mark.parametrize("share", [True, False])
def test_every_probe_shows_one_activation_an_example(model, task, share):
    network, _ = build(model, task)
    inputs = some_inputs(task)
    prepared = network.prepare(inputs, share=share)
    with capture(network) as seen:
        network(prepared)
    assert set(seen) == set(network.probes)
    assert {"embeddings", "representation"} <= set(seen)
    assert all(len(activation) == len(inputs) for activation in seen.values())
    assert not network.watched


@every_pair
def test_watching_changes_nothing(model, task):
    network, _ = build(model, task)
    prepared = network.prepare(some_inputs(task))
    unwatched = network(prepared)
    with capture(network):
        assert distance(network(prepared), unwatched) <= 1e-12
    assert torch.equal(network(prepared), unwatched)


@every_pair
def test_an_activation_replaced_by_itself_changes_nothing(model, task):
    network, _ = build(model, task)
    prepared = network.prepare(some_inputs(task))
    logits = network(prepared)
    with capture(network) as seen:
        network(prepared)
    for name, activation in seen.items():
        with replace(network, {name: activation}):
            assert distance(network(prepared), logits) <= 1e-12, name
        with replace(network, {name: lambda x: x}):
            assert distance(network(prepared), logits) <= 1e-12, name


@every_pair
def test_an_activation_replaced_by_zeros_changes_the_logits(model, task):
    network, _ = build(model, task)
    prepared = network.prepare(some_inputs(task))
    logits = network(prepared)
    for name in network.probes:
        with replace(network, {name: torch.zeros_like}):
            assert distance(network(prepared), logits) > 1e-3, name


@every_pair
def test_the_representation_is_all_that_the_answer_needs(model, task):
    network, _ = build(model, task)
    inputs = some_inputs(task)
    prepared = network.prepare(inputs)
    with capture(network, "representation") as seen:
        logits = network(prepared)
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(2))
    with replace(network, {"representation": seen["representation"][order]}):
        assert distance(network(prepared), logits[order]) <= 1e-12


@every_pair
def test_gradients_with_respect_to_embeddings_agree_with_differences(model, task):
    network, _ = build(model, task)
    prepared = network.prepare(some_inputs(task))
    with capture(network, "embeddings") as seen:
        network(prepared)
    leaf = seen["embeddings"].detach().clone().requires_grad_()

    def loss(embeddings):
        with replace(network, {"embeddings": embeddings}):
            return network(prepared).square().mean()

    (gradient,) = torch.autograd.grad(loss(leaf), leaf)
    generator = torch.Generator().manual_seed(3)
    direction = torch.randn(leaf.shape, generator=generator, dtype=torch.float64)
    step = 1e-6 * direction
    with torch.no_grad():
        difference = (loss(leaf + step) - loss(leaf - step)) / 2e-6
    along = float((gradient * direction).sum())
    assert along == pytest.approx(float(difference), rel=1e-5, abs=1e-8)
    assert gradient.abs().max() > 0


# PyTorch compiles its own forward-mode formulas with torch.jit.script, which it deprecates itself.
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
@every_pair
def test_the_network_is_twice_differentiable_while_mapped_over_seeds(model, task):
    inputs, seeds = some_inputs(task), (0, 1, 2)
    signature = dataset_of(task).signature
    targets = torch.arange(len(inputs) * signature.num_answers) % signature.num_classes
    members = [build(model, task, seed=seed) for seed in seeds]
    network, layout = members[0][0], layout_of(members[0][0])
    prepared = network.prepare(inputs)
    flats = torch.stack([flat for _, flat in members])
    generator = torch.Generator().manual_seed(4)
    vectors = torch.randn(flats.shape, generator=generator, dtype=torch.float64)

    def loss(flat):
        logits = functional_call(network, layout.split(flat), (prepared,))
        return F.cross_entropy(logits.flatten(0, -2), targets)

    products = vmap(lambda flat, vector: jvp(grad(loss), (flat,), (vector,))[1])(flats, vectors)

    for (member, _), vector, product in zip(members, vectors, products, strict=True):
        parameters = list(member.parameters())
        logits = member(member.prepare(inputs, share=False))
        plain = F.cross_entropy(logits.flatten(0, -2), targets)
        first = torch.autograd.grad(plain, parameters, create_graph=True, materialize_grads=True)
        along = (torch.cat([part.reshape(-1) for part in first]) * vector).sum()
        second = torch.autograd.grad(along, parameters, materialize_grads=True)
        expected = torch.cat([part.reshape(-1) for part in second])
        assert distance(product, expected) <= 1e-9


@every_model
def test_a_copied_network_computes_the_same_and_apart(model):
    network, flat = build(model)
    prepared = network.prepare(some_inputs(READS[model][0]))
    with capture(network):
        logits = network(prepared).detach()
    twin = copy.deepcopy(network)
    assert torch.equal(twin(prepared).detach(), network(prepared).detach())
    flat.zero_()
    assert distance(twin(prepared).detach(), logits) <= 1e-12


@every_model
def test_initialization_is_a_function_of_the_seed(model):
    signature = dataset_of(READS[model][0]).signature

    def drawn(seed):
        return initialize(model.build(signature), model.initialization, seed, dtype=torch.float64)

    assert torch.equal(drawn(5), drawn(5))
    assert not torch.equal(drawn(5), drawn(6))


@every_model
def test_initialization_does_not_touch_the_global_random_state(model):
    before = torch.get_rng_state()
    network = model.build(dataset_of(READS[model][0]).signature)
    initialize(network, model.initialization, 0)
    assert torch.equal(torch.get_rng_state(), before)


@every_model
def test_the_network_is_bound_to_the_vector_it_was_drawn_into(model):
    network, flat = build(model)
    prepared = network.prepare(some_inputs(READS[model][0]))
    before = network(prepared).detach()
    flat.mul_(1.5)
    after = network(prepared).detach()
    assert distance(after, before) > 1e-3


@every_model
def test_the_float32_draw_is_the_float64_draw_rounded(model):
    signature = dataset_of(READS[model][0]).signature
    both = [
        initialize(model.build(signature), model.initialization, 3, dtype=dtype)
        for dtype in (torch.float32, torch.float64)
    ]
    assert torch.equal(both[0], both[1].float())


@every_model
def test_every_parameter_reaches_the_logits(model):
    network, _ = build(model)
    gradient = flat_gradient(network, network.prepare(dataset_of(READS[model][0]).inputs))
    for name, part in layout_of(network).split(gradient).items():
        assert part.abs().max() > 0, name
