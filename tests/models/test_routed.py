import math

import numpy as np
import pytest
import torch

from grokscope.errors import ConfigError
from grokscope.models import capture, hear, initialize
from grokscope.models.routed import Routed
from grokscope.ops.params import layout_of
from grokscope.tasks import Signature
from grokscope.tasks.modular import Modular

ACTIVATIONS = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh, "quadratic": np.square}


def gelu(x):
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def build(config, signature):
    network = config.build(signature)
    flat = initialize(network, config.initialization, 0, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    flat += 0.3 * torch.randn(len(flat), generator=generator, dtype=torch.float64)
    return network, {n: x.numpy().copy() for n, x in layout_of(network).split(flat).items()}


def start_of(params, dataset, config):
    """Return the embedding of each example, one symbol at a time."""
    rows, p = [], dataset.signature.factors[0].size
    for a, b in dataset.operands().tolist():
        if config.inputs == "embedded":
            joined = np.concatenate([params["embed.weight"][a], params["embed.weight"][p + b]])
            rows.append(params["enter.weight"] @ joined)
        else:
            rows.append(params["enter.weight"][:, a] + params["enter.weight"][:, p + b])
    return rows


def plain(params, x, config):
    """Return logits and routing weights of one example, by the equations, head by head."""
    function, routes = ACTIVATIONS[config.activation], []
    state = params["state.weight"] @ x
    for number in range(config.num_layers):
        own = {
            name.removeprefix(f"layers.{number}."): value
            for name, value in params.items()
            if name.startswith(f"layers.{number}.")
        }
        inner = gelu(own["from_state.weight"] @ state + own["from_residual.weight"] @ x)
        scores = np.exp(own["to_weights.weight"] @ inner)
        weights = scores / scores.sum()
        output = np.zeros_like(x)
        for i in range(config.num_heads):
            hidden = own["heads.expand"][i] @ x + own.get("heads.b_expand", np.zeros((9, 1)))[i]
            head = own["heads.contract"][i] @ function(hidden)
            output += weights[i] * (head + own.get("heads.b_contract", np.zeros((9, 1)))[i])
        if number + 1 < config.num_layers:
            state = own["update.weight"] @ np.concatenate([state, output])
        x = x + output
        routes.append(weights)
    return params["unembed.weight"] @ x, routes


@pytest.mark.parametrize("inputs", ["one_hot", "embedded"])
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize(("num_layers", "biases"), [(1, True), (3, True), (2, False)])
def test_the_network_is_its_equations(inputs, activation, num_layers, biases):
    config = Routed(
        inputs=inputs,
        d_embed=4,
        width=6,
        activation=activation,
        num_layers=num_layers,
        biases=biases,
        num_heads=3,
        d_head=5,
        d_state=4,
        d_router=7,
    )
    dataset = Modular(p=5).dataset()
    network, params = build(config, dataset.signature)
    with capture(network) as seen:
        logits = network(network.prepare(dataset.inputs)).detach().numpy()
    for number, x in enumerate(start_of(params, dataset, config)):
        expected, routes = plain(params, x, config)
        np.testing.assert_allclose(logits[number], expected, rtol=1e-10, atol=1e-11)
        for layer, weights in enumerate(routes):
            found = seen[f"layers.{layer}.routing"][number].detach().numpy()
            np.testing.assert_allclose(found, weights, rtol=1e-11)


def test_routing_weights_are_heard_layer_by_layer_and_only_while_listening():
    dataset = Modular(p=5).dataset()
    network, _ = build(Routed(width=6, num_layers=3, num_heads=4), dataset.signature)
    prepared = network.prepare(dataset.inputs)
    with hear() as outer:
        with hear() as signals:
            network(prepared)
        assert outer == []
    network(prepared)
    with capture(network) as seen:
        network(prepared)
    assert len(signals) == 3
    for number, signal in enumerate(signals):
        assert torch.allclose(signal.value, seen[f"layers.{number}.routing"], rtol=1e-12)
        assert torch.allclose(signal.value.sum(-1), torch.ones(25, dtype=torch.float64))


def test_every_head_of_a_layer_starts_at_the_same_scale():
    config = Routed(width=64, num_heads=2, d_head=256)
    network = config.build(Modular(p=5).dataset().signature)
    initialize(network, config.initialization, 0, dtype=torch.float64)
    heads = network.layers[0].heads
    assert heads.expand.std().item() == pytest.approx(1 / 8, rel=0.02)
    assert heads.contract.std().item() == pytest.approx(1 / 16, rel=0.02)


def test_features_enter_as_they_are():
    config = Routed(width=6, num_layers=2, activation="tanh", num_heads=2, d_head=3)
    network, params = build(config, Signature(num_classes=3, num_features=4))
    features = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    logits = network(network.prepare(features)).detach().numpy()
    for row, found in zip(features.numpy(), logits, strict=True):
        expected, _ = plain(params, params["enter.weight"] @ row, config)
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("num_layers", [1, 3])
def test_the_number_of_parameters_is_that_of_its_matrices(num_layers):
    config = Routed(width=10, num_layers=num_layers, num_heads=3, d_head=5, d_state=4, d_router=7)
    network = config.build(Modular(p=11).dataset().signature)
    layer = 7 * 4 + 7 * 10 + 3 * 7 + 3 * (2 * 5 * 10 + 5 + 10)
    expected = 22 * 10 + 4 * 10 + num_layers * layer + (num_layers - 1) * 4 * 14 + 10 * 11
    assert sum(p.numel() for p in network.parameters()) == expected


def test_a_task_without_factors_or_features_is_refused():
    expected = r"^model: routed needs a task with factors or features$"
    with pytest.raises(ConfigError, match=expected):
        Routed().build(Signature(num_classes=3, vocab_size=4, seq_len=2))
