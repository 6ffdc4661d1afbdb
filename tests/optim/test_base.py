import math

import pytest
import torch

from grokscope.ops.params import Entry, Layout
from grokscope.optim import Schedule, Transform, chain
from grokscope.optim.base import clip_by_norm, scale_by_rate, stateless
from grokscope.optim.sgd import SGD

LAYOUT = Layout(
    (
        Entry("embed.weight", (1, 2), "embedding", 2),
        Entry("layer.weight", (1, 2), "weight", 2),
        Entry("layer.bias", (1,), "bias", 0),
        Entry("norm.weight", (1,), "norm", 1),
    )
)


def vector(*values):
    return torch.tensor(values, dtype=torch.float64)


def counter(name, add):
    return Transform(
        init=lambda params: {name: params.new_zeros(())},
        update=lambda direction, state, params, step: (
            direction + add,
            {name: state[name] + 1},
        ),
    )


def test_a_chain_applies_its_transforms_in_order():
    double = stateless(lambda direction, params, step: 2 * direction)
    x = vector(1.0, 3.0)
    transform = chain(counter("a", 1.0), double, counter("b", 10.0))
    state = transform.init(x)
    assert {name: s.item() for name, s in state.items()} == {"a": 0, "b": 0}
    direction, state = transform.update(x, state, x, 0)
    assert direction.tolist() == [14.0, 18.0]
    assert {name: s.item() for name, s in state.items()} == {"a": 1, "b": 1}


def test_a_chain_of_nothing_is_the_identity():
    x = vector(1.0, -2.0)
    assert chain().init(x) == {}
    assert chain().update(x, {}, x, 0)[0].tolist() == [1.0, -2.0]


def test_clipping_leaves_a_short_gradient_alone():
    x = vector(0.3, 0.4)
    assert torch.equal(clip_by_norm(1.0).update(x, {}, x, 0)[0], x)


def test_clipping_shortens_a_long_gradient_and_keeps_its_direction():
    x = vector(30.0, 40.0)
    clipped = clip_by_norm(1.0).update(x, {}, x, 0)[0]
    assert clipped.tolist() == pytest.approx([0.6, 0.8], rel=1e-6)


def test_clipping_a_vanishing_gradient_gives_zero_and_no_nan():
    x = vector(0.0, 0.0)
    assert clip_by_norm(1.0).update(x, {}, x, 0)[0].tolist() == [0.0, 0.0]


def test_the_rate_of_a_step_follows_the_schedule():
    transform = scale_by_rate(0.5, Schedule(warmup_steps=4))
    x = vector(2.0)
    found = [transform.update(x, {}, x, step)[0].item() for step in range(6)]
    assert found == [0.0, -0.25, -0.5, -0.75, -1.0, -1.0]


def decay_of(params, **fields):
    config = SGD(lr=1.0, weight_decay=0.5, **fields)
    transform = config.transform(LAYOUT, Schedule())
    state = transform.init(params)
    return transform, state


def test_everything_decays_by_default():
    params = vector(1, 2, 3, 4, 5, 6)
    transform, state = decay_of(params)
    change, _ = transform.update(torch.zeros_like(params), state, params, 0)
    assert change.tolist() == [-0.5, -1.0, -1.5, -2.0, -2.5, -3.0]


def test_decay_on_weights_spares_embeddings_biases_and_norms():
    params = vector(1, 2, 3, 4, 5, 6)
    transform, state = decay_of(params, decay_on="weights")
    change, _ = transform.update(torch.zeros_like(params), state, params, 0)
    assert change.tolist() == [0.0, 0.0, -1.5, -2.0, 0.0, 0.0]


def test_decay_to_the_initial_point_pulls_back():
    params = vector(1, 2, 3, 4, 5, 6)
    transform, state = decay_of(params, decay_to="initial")
    change, state = transform.update(torch.zeros_like(params), state, params, 0)
    assert change.tolist() == [0.0] * 6
    change, state = transform.update(torch.zeros_like(params), state, params + 2, 1)
    assert change.tolist() == [-1.0] * 6
    assert state["initial"].tolist() == params.tolist()


def test_decay_to_the_initial_point_on_weights_alone():
    params = vector(1, 2, 3, 4, 5, 6)
    transform, state = decay_of(params, decay_to="initial", decay_on="weights")
    change, _ = transform.update(torch.zeros_like(params), state, params + 2, 0)
    assert change.tolist() == [0.0, 0.0, -1.0, -1.0, 0.0, 0.0]


def test_the_initial_point_is_a_copy():
    params = vector(1, 2, 3, 4, 5, 6)
    transform, state = decay_of(params, decay_to="initial")
    params.zero_()
    assert state["initial"].tolist() == [1, 2, 3, 4, 5, 6]
    change, _ = transform.update(torch.zeros_like(params), state, params, 0)
    assert math.isclose(change.sum().item(), 0.5 * 21)
