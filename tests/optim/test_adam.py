import math

import pytest
import torch

from grokscope.ops.params import Entry, Layout
from grokscope.optim import Schedule
from grokscope.optim.adam import Adam, AdamW

LAYOUT = Layout((Entry("w", (1, 2), "weight", 2),))
GRADIENTS = [(0.5, -2.0), (-0.2, 1.0)]


def vector(*values):
    return torch.tensor(values, dtype=torch.float64)


def steps(config, params):
    transform = config.transform(LAYOUT, Schedule())
    state, changes = transform.init(params), []
    for step, gradient in enumerate(GRADIENTS):
        change, state = transform.update(vector(*gradient), state, params, step)
        params = params + change
        changes.append(change.tolist())
    return changes, state


def test_two_steps_of_adam_worked_out_by_hand():
    changes, state = steps(Adam(lr=0.1, betas=(0.9, 0.99), eps=1e-3), vector(1.0, -3.0))
    # Step 1: m̂ = g and √v̂ = |g|.
    assert changes[0] == pytest.approx([-0.1 * 0.5 / 0.501, 0.1 * 2.0 / 2.001], rel=1e-12)
    # Step 2, first weight: m = 0.9·0.05 + 0.1·(-0.2) = 0.025, v = 0.99·0.0025 + 0.01·0.04.
    first = (0.025 / 0.19) / (math.sqrt(0.002875 / 0.0199) + 1e-3)
    # Second weight: m = 0.9·(-0.2) + 0.1·1 = -0.08, v = 0.99·0.04 + 0.01·1.
    second = (-0.08 / 0.19) / (math.sqrt(0.0496 / 0.0199) + 1e-3)
    assert changes[1] == pytest.approx([-0.1 * first, -0.1 * second], rel=1e-12)
    assert state["exp_avg"].tolist() == pytest.approx([0.025, -0.08], rel=1e-12)
    assert state["exp_avg_sq"].tolist() == pytest.approx([0.002875, 0.0496], rel=1e-12)


def test_adam_decays_through_its_moments_and_adamw_beside_them():
    params = vector(1.0, -3.0)
    fields = {"lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-3, "weight_decay": 0.5}
    coupled, _ = steps(Adam(**fields), params)
    apart, _ = steps(AdamW(**fields), params)
    # g + λθ = (0.5 + 0.5, -2 - 1.5): a first step of full size whatever the decay.
    assert coupled[0] == pytest.approx([-0.1 / 1.001, 0.1 * 3.5 / 3.501], rel=1e-12)
    expected = [-0.1 * (0.5 / 0.501 + 0.5), 0.1 * (2.0 / 2.001 + 1.5)]
    assert apart[0] == pytest.approx(expected, rel=1e-12)


def test_the_state_starts_at_zero_and_the_defaults_are_the_usual_ones():
    state = Adam().transform(LAYOUT, Schedule()).init(vector(1.0, 2.0))
    assert {name: x.tolist() for name, x in state.items()} == {
        "exp_avg": [0.0, 0.0],
        "exp_avg_sq": [0.0, 0.0],
    }
    assert (Adam().betas, Adam().eps, Adam().lr) == ((0.9, 0.999), 1e-8, 1e-3)
