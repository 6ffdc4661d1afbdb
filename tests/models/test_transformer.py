import math

import numpy as np
import pytest
import torch

from grokscope.errors import ConfigError
from grokscope.models import Init, capture, initialize
from grokscope.models.transformer import Transformer
from grokscope.ops.params import layout_of
from grokscope.tasks import Signature
from grokscope.tasks.mixed import Mixed
from grokscope.tasks.modular import Modular
from grokscope.tasks.sequence import Sequence

ACTIVATIONS = {
    "relu": lambda x: max(x, 0.0),
    "gelu": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
    "quadratic": lambda x: x * x,
    "tanh": math.tanh,
}


def affine(params, name, x):
    """Multiply the rows of x [s, in] by a matrix [out, in], and add its bias where it has one."""
    y = np.zeros((len(x), len(params[f"{name}.weight"])))
    for t in range(len(x)):
        for o, row in enumerate(params[f"{name}.weight"]):
            y[t, o] = sum(w * v for w, v in zip(row, x[t], strict=True))
    return y + params.get(f"{name}.bias", 0.0)


def layer_norm(params, name, x):
    y = np.zeros_like(x)
    for t, row in enumerate(x):
        mean = sum(row) / len(row)
        variance = sum((v - mean) ** 2 for v in row) / len(row)
        y[t] = (row - mean) / math.sqrt(variance + 1e-5)
    return y * params[f"{name}.weight"] + params[f"{name}.bias"]


def attention(params, name, x, config):
    query, key, value = (affine(params, f"{name}.{part}", x) for part in ("query", "key", "value"))
    s, size = len(x), config.d_model // config.num_heads
    mixed, rate = np.zeros_like(x), config.attention_rate
    for head in range(config.num_heads):
        own = range(head * size, (head + 1) * size)
        for q in range(s):
            seen = range(q + 1) if config.causal else range(s)
            scores = [sum(query[q, i] * key[k, i] for i in own) / math.sqrt(size) for k in seen]
            weights = [math.exp(score - max(scores)) for score in scores]
            for k, weight in zip(seen, weights, strict=True):
                share = rate * weight / sum(weights) + (1 - rate)
                for i in own:
                    mixed[q, i] += share * value[k, i]
    return affine(params, f"{name}.output", mixed)


def mlp(params, name, x, config):
    hidden = affine(params, f"{name}.expand", x)
    return affine(params, f"{name}.contract", np.vectorize(ACTIVATIONS[config.activation])(hidden))


def plain_logits(params, tokens, config, classes, answers=1):
    """Run one sequence through the textbook transformer, position by position."""
    x = np.array([params["embed.weight"][token] for token in tokens])
    x = x + params["position.weight"][: len(tokens)]
    for number in range(config.num_layers):
        block = f"blocks.{number}"
        if config.norm == "pre":
            seen = layer_norm(params, f"{block}.attention_norm", x)
            x = x + attention(params, f"{block}.attention", seen, config)
            if config.d_mlp:
                x = x + mlp(
                    params, f"{block}.mlp", layer_norm(params, f"{block}.mlp_norm", x), config
                )
        else:
            x = x + attention(params, f"{block}.attention", x, config)
            if config.norm == "post":
                x = layer_norm(params, f"{block}.attention_norm", x)
            if config.d_mlp:
                x = x + mlp(params, f"{block}.mlp", x, config)
                if config.norm == "post":
                    x = layer_norm(params, f"{block}.mlp_norm", x)
    if config.norm == "pre":
        x = layer_norm(params, "norm", x)
    matrix = params["embed.weight"][:classes] if config.tied else params["unembed.weight"]
    return matrix @ x[-1] if answers == 1 else x[-answers:] @ matrix.T


def build(model, signature, *, seed=0):
    network = model.build(signature)
    flat = initialize(network, model.initialization, seed, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    flat += 0.3 * torch.randn(len(flat), generator=generator, dtype=torch.float64)
    return network, flat


SMALL = {"d_model": 8, "num_heads": 2, "d_mlp": 6}


@pytest.mark.parametrize(
    "config",
    [
        Transformer(**SMALL),
        Transformer(**SMALL, causal=False),
        Transformer(d_model=8, num_heads=4, d_mlp=0, causal=False),
        Transformer(**SMALL, norm="pre", activation="gelu", attention_biases=True),
        Transformer(**SMALL, norm="post", activation="tanh", num_layers=2),
        Transformer(**SMALL, norm="pre", num_layers=3, tied=True),
        Transformer(**SMALL, norm="none", num_layers=2, causal=False, activation="quadratic"),
        Transformer(**SMALL, norm="post", causal=False, mlp_biases=False, tied=True),
        Transformer(d_model=6, num_heads=1, d_mlp=0, norm="pre", num_layers=2),
        Transformer(**SMALL, attention_rate=0.3),
        Transformer(**SMALL, attention_rate=0.0, causal=False, num_layers=2),
    ],
    ids=str,
)
@pytest.mark.parametrize("task", [Modular(p=3), Mixed(p=2)], ids=["pairs", "operations"])
def test_logits_are_those_of_the_textbook_transformer(config, task):
    dataset = task.dataset()
    network, flat = build(config, dataset.signature)
    params = {name: x.numpy().copy() for name, x in layout_of(network).split(flat).items()}
    logits = network(network.prepare(dataset.inputs)).detach().numpy()
    for row, tokens in zip(logits, dataset.inputs.tolist(), strict=True):
        expected = plain_logits(params, tokens, config, dataset.signature.num_classes)
        np.testing.assert_allclose(row, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    "config",
    [
        Transformer(**SMALL),
        Transformer(**SMALL, norm="pre", num_layers=2, attention_biases=True),
        Transformer(**SMALL, norm="post", num_layers=2, tied=True, attention_rate=0.5),
    ],
    ids=str,
)
@pytest.mark.parametrize("operation", ["copy", "reverse"])
def test_every_answer_is_that_of_the_textbook_at_its_position(config, operation):
    dataset = Sequence(size=3, length=3, examples=12, operation=operation).dataset()
    network, flat = build(config, dataset.signature)
    params = {name: x.numpy().copy() for name, x in layout_of(network).split(flat).items()}
    logits = network(network.prepare(dataset.inputs)).detach().numpy()
    for row, tokens in zip(logits, dataset.inputs.tolist(), strict=True):
        expected = plain_logits(params, tokens, config, 3, answers=3)
        np.testing.assert_allclose(row, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("layers", [1, 2])
def test_an_answer_does_not_see_itself_nor_what_follows(layers):
    signature = Sequence(size=4, length=4, examples=None).dataset().signature
    network, _ = build(Transformer(**SMALL, num_layers=layers), signature)
    tokens = torch.tensor([[0, 1, 2, 3, 4, 0, 1, 2]])
    before = network(network.prepare(tokens)).detach()
    for changed in range(5, 8):
        other = tokens.clone()
        other[0, changed] = 3
        after = network(network.prepare(other)).detach()
        moved = (after - before).abs().amax(-1)[0] > 1e-9
        assert moved.tolist() == [position >= changed for position in range(4, 8)]


def test_answers_that_follow_one_another_need_a_causal_network():
    signature = Sequence(size=4, length=4, examples=None).dataset().signature
    with pytest.raises(ConfigError, match=r"^model\.causal: must be true where answers follow"):
        Transformer(**SMALL, causal=False).build(signature)


def test_the_probe_shows_the_mixed_pattern():
    dataset = Modular(p=3).dataset()
    network, _ = build(Transformer(**SMALL, attention_rate=0.25), dataset.signature)
    with capture(network, "blocks.0.attention.pattern") as seen:
        network(network.prepare(dataset.inputs))
    pattern = seen["blocks.0.attention.pattern"]
    assert torch.allclose(pattern.sum(-1), torch.tensor(0.25 + 3 * 0.75, dtype=torch.float64))
    assert pattern.min() > 0.75


def number_of_parameters(model, signature):
    return sum(p.numel() for p in model.build(signature).parameters())


@pytest.fixture(scope="module")
def p113():
    return Modular(p=113).dataset().signature


def test_the_attention_only_network_has_11456_parameters(p113):
    model = Transformer(d_model=32, num_heads=4, d_mlp=0, causal=False, norm="none")
    assert number_of_parameters(model, p113) == 11_456
    assert 114 * 32 + 3 * 32 + 4 * 32**2 + 32 * 113 == 11_456


def test_the_default_network_has_226688_parameters(p113):
    model = Transformer(
        num_layers=1,
        d_model=128,
        num_heads=4,
        d_mlp=512,
        activation="relu",
        norm="none",
        init=Init(scheme="width_normal"),
    )
    assert number_of_parameters(model, p113) == 226_688


def test_every_option_adds_the_parameters_it_names(p113):
    base = number_of_parameters(Transformer(), p113)
    tied = number_of_parameters(Transformer(tied=True), p113)
    assert base - tied == 113 * 128
    assert number_of_parameters(Transformer(attention_biases=True), p113) - base == 4 * 128
    assert base - number_of_parameters(Transformer(mlp_biases=False), p113) == 512 + 128
    assert number_of_parameters(Transformer(norm="pre"), p113) - base == 3 * 2 * 128
    assert number_of_parameters(Transformer(norm="post"), p113) - base == 2 * 2 * 128


def captured(network, tokens, *, share):
    with capture(network) as seen, torch.no_grad():
        network(network.prepare(tokens, share=share))
    return seen


@pytest.mark.parametrize("norm", ["pre", "post", "none"])
@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("changed", [1, 2, 3])
def test_a_later_token_never_changes_what_an_earlier_position_computes(norm, share, changed):
    signature = Signature(num_classes=5, vocab_size=7, seq_len=4)
    # The last block computes the last position alone, so the two before it are looked at.
    model = Transformer(**SMALL, num_layers=3, norm=norm)
    network, _ = build(model, signature)
    tokens = torch.tensor([[0, 1, 2, 3], [4, 1, 0, 3], [0, 5, 5, 6]])
    other = tokens.clone()
    other[:, changed] = (other[:, changed] + 1) % 7
    before, after = (captured(network, x, share=share) for x in (tokens, other))
    for name in ("embeddings", "blocks.0.output", "blocks.1.output", "blocks.1.mlp.hidden"):
        assert torch.equal(before[name][:, :changed], after[name][:, :changed]), name
        assert not torch.allclose(before[name][:, changed:], after[name][:, changed:]), name


def test_without_causality_a_later_token_reaches_earlier_positions():
    signature = Signature(num_classes=5, vocab_size=7, seq_len=3)
    network, _ = build(Transformer(**SMALL, num_layers=2, causal=False), signature)
    tokens = torch.tensor([[0, 1, 2], [4, 1, 0]])
    other = tokens.clone()
    other[:, 2] = 6
    before, after = (captured(network, x, share=True)["blocks.0.output"] for x in (tokens, other))
    assert (before[:, 0] - after[:, 0]).abs().max() > 1e-3


@pytest.mark.parametrize("causal", [True, False])
def test_attention_patterns_are_distributions_over_what_is_visible(causal):
    signature = Signature(num_classes=5, vocab_size=7, seq_len=3)
    network, _ = build(Transformer(**SMALL, num_layers=2, causal=causal), signature)
    tokens = torch.tensor([[0, 1, 2], [4, 1, 0], [3, 3, 3], [0, 1, 5]])
    seen = captured(network, tokens, share=True)
    first, last = seen["blocks.0.attention.pattern"], seen["blocks.1.attention.pattern"]
    assert first.shape == (4, 2, 3, 3)
    assert last.shape == (4, 2, 1, 3)
    for pattern in (first, last):
        assert torch.all(pattern >= 0)
        assert torch.allclose(pattern.sum(-1), torch.ones((), dtype=torch.float64), atol=1e-14)
    above = first[:, :, *torch.triu_indices(3, 3, offset=1)]
    assert torch.all(above == 0) if causal else torch.all(above > 0)


def test_the_heads_must_divide_the_width():
    with pytest.raises(ConfigError, match=r"^num_heads: 3 does not divide d_model 128$"):
        Transformer(num_heads=3)


def test_a_transformer_needs_tokens():
    with pytest.raises(ConfigError, match=r"^model: a transformer needs a task with tokens$"):
        Transformer().build(Signature(num_classes=3, num_features=4))
