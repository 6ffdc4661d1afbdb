import math

import numpy as np
import pytest
import torch

from grokscope.models import Init, initialize
from grokscope.models.init import draw
from grokscope.models.mlp import MLP
from grokscope.models.transformer import Transformer
from grokscope.ops.params import Entry, layout_of
from grokscope.tasks.modular import Modular

SIGNATURE = Modular(p=113).dataset().signature
WIDTH = 64
STD = {
    "fan_in_normal": lambda fan_in: 1 / math.sqrt(fan_in),
    "fan_in_uniform": lambda fan_in: 1 / math.sqrt(3 * fan_in),
    "he_normal": lambda fan_in: math.sqrt(2 / fan_in),
    "width_normal": lambda fan_in: 1 / math.sqrt(WIDTH),
}

GOLDEN_UNIFORM = [0.43016839366789866, 0.3861444369224845, 0.2639045740809444, 0.2773076916819582]
GOLDEN_NORMAL = [
    0.6057280850406566,
    0.5295618644445417,
    0.3438380062572291,
    0.3628707462394582,
]


def drawn(model, seed=0):
    network = model.build(SIGNATURE)
    flat = initialize(network, model.initialization, seed, dtype=torch.float64)
    return layout_of(network).split(flat)


def fan_in_of(name, tensor):
    """Embeddings count their dimension, matrices [out, in] their inputs: the last axis of both."""
    return tensor.shape[-1]


@pytest.mark.parametrize("scheme", sorted(STD))
@pytest.mark.parametrize("scale", [1.0, 0.3])
@pytest.mark.parametrize(
    "model",
    [
        lambda init: Transformer(d_model=WIDTH, d_mlp=256, init=init),
        lambda init: MLP(inputs="embedded", d_embed=48, width=WIDTH, depth=2, init=init),
        lambda init: MLP(width=WIDTH, init=init),
    ],
    ids=["transformer", "embedded mlp", "one-hot mlp"],
)
def test_weights_and_embeddings_have_the_spread_of_the_scheme(model, scheme, scale):
    checked = 0
    for name, tensor in drawn(model(Init(scheme=scheme, scale=scale))).items():
        if tensor.dim() < 2:
            continue
        std = scale * STD[scheme](fan_in_of(name, tensor))
        count = tensor.numel()
        assert abs(float(tensor.mean())) < 5 * std / math.sqrt(count), name
        assert abs(float(tensor.std()) / std - 1) < 5 / math.sqrt(2 * count), name
        checked += 1
    assert checked >= 2


def test_uniform_draws_stay_inside_their_bounds():
    entry = Entry("x", (200, 25), "weight", 25)
    values = draw(Init(scheme="fan_in_uniform", scale=2.0), entry, WIDTH, 0)
    assert values.abs().max() <= 2 / 5
    assert values.abs().max() > 0.99 * 2 / 5


def test_normal_draws_are_normal():
    entry = Entry("x", (400, 100), "weight", 100)
    z = draw(Init(), entry, WIDTH, 0) * 10
    assert float((z**4).mean()) == pytest.approx(3, abs=0.15)
    assert float((z.abs() < 1).double().mean()) == pytest.approx(
        math.erf(1 / math.sqrt(2)), abs=0.02
    )


def test_biases_start_at_zero_and_gains_at_one():
    tensors = drawn(Transformer(d_model=8, d_mlp=8, norm="pre", attention_biases=True))
    norms = {name for name in tensors if "norm" in name}
    assert len(norms) == 6
    for name, tensor in tensors.items():
        if name.endswith("norm.weight"):
            assert torch.all(tensor == 1), name
        elif name.endswith("bias"):
            assert torch.all(tensor == 0), name
        else:
            assert tensor.abs().min() > 0, name


def test_a_tensor_is_drawn_from_the_stream_of_its_name():
    small = drawn(Transformer(d_model=8, d_mlp=0, num_layers=1))
    large = drawn(Transformer(d_model=8, d_mlp=16, num_layers=3, norm="pre", attention_biases=True))
    assert set(small) < set(large)
    for name in small:
        assert torch.equal(small[name], large[name]), name


def test_tensors_of_one_shape_are_drawn_apart():
    tensors = drawn(Transformer(d_model=8, d_mlp=0))
    query, key = (tensors[f"blocks.0.attention.{name}.weight"] for name in ("query", "key"))
    assert not torch.equal(query, key)


def test_the_scale_multiplies_the_same_draw():
    entry = Entry("x", (4, 3), "weight", 3)
    once, thrice = (draw(Init(scale=scale), entry, WIDTH, 7) for scale in (1.0, 3.0))
    assert torch.allclose(3 * once, thrice, rtol=1e-14, atol=0)


def test_draws_are_the_same_on_every_machine():
    entry = Entry("embed.weight", (2, 2), "embedding", 2)
    values = draw(Init(scheme="fan_in_uniform"), entry, 2, 42).numpy()
    assert np.allclose(values, GOLDEN_UNIFORM, rtol=1e-15, atol=0)
    values = draw(Init(), entry, 2, 42).numpy()
    assert np.allclose(values, GOLDEN_NORMAL, rtol=1e-12, atol=0)
