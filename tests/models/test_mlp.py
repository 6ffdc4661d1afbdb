import math

import numpy as np
import pytest
import torch

from grokscope.errors import ConfigError
from grokscope.models import capture, initialize
from grokscope.models.mlp import MLP
from grokscope.ops.params import layout_of
from grokscope.tasks import Signature
from grokscope.tasks.mixed import Mixed
from grokscope.tasks.modular import Modular

ACTIVATIONS = {
    "relu": lambda x: max(x, 0.0),
    "gelu": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
    "quadratic": lambda x: x * x,
    "tanh": math.tanh,
}
THREE = Mixed(operations=("add", "subtract", "multiply"), p=3)


def one_hot(dataset):
    """Return concatenated one-hot vectors, written one at a time."""
    sizes = [factor.size for factor in dataset.signature.factors]
    rows = np.zeros((len(dataset), sum(sizes)))
    for e, operands in enumerate(dataset.operands().tolist()):
        start = 0
        for value, size in zip(operands, sizes, strict=True):
            rows[e, start + value] = 1.0
            start += size
    return rows


def plain_inputs(params, dataset, config):
    hot = one_hot(dataset)
    if config.inputs == "one_hot":
        return hot
    if config.inputs == "summed":
        return sum(np.split(hot, len(dataset.signature.factors), axis=1))
    parts, start = [], 0
    for factor in dataset.signature.factors:
        own = slice(start, start + factor.size)
        parts.append(hot[:, own] @ params["embed.weight"][own])
        start += factor.size
    return np.concatenate(parts, axis=1)


def plain_logits(params, x, config):
    names = ["first", *[f"rest.{i}" for i in range(config.depth - 1)]]
    function = np.vectorize(ACTIVATIONS[config.activation])
    for name in names:
        x = function(x @ params[f"{name}.weight"].T + params.get(f"{name}.bias", 0.0))
    return config.output_multiplier * (x @ params["unembed.weight"].T)


def build(config, signature):
    network = config.build(signature)
    flat = initialize(network, config.initialization, 0, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    flat += 0.3 * torch.randn(len(flat), generator=generator, dtype=torch.float64)
    params = {name: x.numpy().copy() for name, x in layout_of(network).split(flat).items()}
    return network, params


@pytest.mark.parametrize("inputs", ["one_hot", "summed", "embedded"])
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize(("depth", "biases"), [(1, True), (1, False), (3, True)])
@pytest.mark.parametrize("task", [Modular(p=5), THREE], ids=["pairs", "operations"])
def test_logits_are_those_of_dense_layers_on_one_hot_inputs(
    inputs, activation, depth, biases, task
):
    config = MLP(
        inputs=inputs, activation=activation, depth=depth, biases=biases, width=12, d_embed=4
    )
    dataset = task.dataset()
    network, params = build(config, dataset.signature)
    expected = plain_logits(params, plain_inputs(params, dataset, config), config)
    logits = network(network.prepare(dataset.inputs)).detach().numpy()
    np.testing.assert_allclose(logits, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("multiplier", [0.1, 0.25, 30.0])
def test_the_output_multiplier_is_exact(multiplier):
    config = MLP(width=12, output_multiplier=multiplier)
    dataset = Modular(p=5).dataset()
    network, params = build(config, dataset.signature)
    expected = plain_logits(params, plain_inputs(params, dataset, config), config)
    logits = network(network.prepare(dataset.inputs)).detach().numpy()
    np.testing.assert_allclose(logits, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("inputs", ["one_hot", "summed", "embedded"])
def test_the_embeddings_probe_shows_the_input_of_the_first_layer(inputs):
    config = MLP(inputs=inputs, width=12, d_embed=4)
    dataset = THREE.dataset()
    network, params = build(config, dataset.signature)
    with capture(network, "embeddings") as seen, torch.no_grad():
        network(network.prepare(dataset.inputs))
    expected = plain_inputs(params, dataset, config)
    np.testing.assert_allclose(seen["embeddings"].numpy(), expected, rtol=1e-14)


def test_features_enter_as_they_are():
    config = MLP(width=12, depth=2, activation="tanh", inputs="embedded")
    network, params = build(config, Signature(num_classes=3, num_features=4))
    features = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    logits = network(network.prepare(features)).detach().numpy()
    expected = plain_logits(params, features.numpy(), config)
    np.testing.assert_allclose(logits, expected, rtol=1e-11, atol=1e-12)


def test_the_number_of_parameters_is_that_of_its_matrices():
    signature = Modular(p=113).dataset().signature

    def count(**fields):
        return sum(p.numel() for p in MLP(**fields).build(signature).parameters())

    assert count(width=256, biases=False) == 226 * 256 + 256 * 113
    assert count(width=256) == 226 * 256 + 256 + 256 * 113
    assert count(width=64, depth=3) == 226 * 64 + 64 + 2 * (64 * 64 + 64) + 64 * 113
    embedded = 226 * 16 + 32 * 64 + 64 + 64 * 113
    assert count(width=64, inputs="embedded", d_embed=16) == embedded


def test_an_mlp_needs_factors_or_features():
    with pytest.raises(ConfigError, match=r"^model: an mlp needs a task with factors or features$"):
        MLP().build(Signature(num_classes=3, vocab_size=4, seq_len=2))


@pytest.mark.parametrize("share", [True, False])
def test_summed_inputs_forget_the_order_of_the_operands(share):
    dataset = Modular(p=5).dataset()
    network, _ = build(MLP(width=12, inputs="summed"), dataset.signature)
    swapped = dataset.inputs[:, [1, 0, 2]]
    here, there = (network(network.prepare(x, share=share)) for x in (dataset.inputs, swapped))
    assert torch.allclose(here, there, rtol=1e-12, atol=1e-13)
    (gradient,) = torch.autograd.grad((here**2).sum(), network.first.weight)
    features = one_hot(dataset)
    hot = torch.from_numpy(features[:, :5] + features[:, 5:])
    dense = torch.relu(hot @ network.first.weight.t() + network.first.bias)
    logits = dense @ network.unembed.weight.t()
    (expected,) = torch.autograd.grad((logits**2).sum(), network.first.weight)
    assert torch.allclose(gradient, expected, rtol=1e-10)


def test_summed_inputs_need_one_alphabet():
    with pytest.raises(
        ConfigError, match=r"^model.inputs: summed needs operands over one alphabet$"
    ):
        MLP(inputs="summed").build(Mixed(p=5).dataset().signature)
