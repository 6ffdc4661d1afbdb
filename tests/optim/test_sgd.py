import pytest
import torch

from grokscope.ops.params import Entry, Layout
from grokscope.optim import Schedule
from grokscope.optim.sgd import SGD

LAYOUT = Layout((Entry("w", (1, 1), "weight", 1),))


def changes(config, gradients, start=2.0):
    transform = config.transform(LAYOUT, Schedule())
    params = torch.tensor([start], dtype=torch.float64)
    state, found = transform.init(params), []
    for step, gradient in enumerate(gradients):
        direction = torch.tensor([gradient], dtype=torch.float64)
        change, state = transform.update(direction, state, params, step)
        params = params + change
        found.append(change.item())
    return found


def test_plain_descent_is_minus_rate_times_gradient():
    assert changes(SGD(lr=0.1), [1.0, -2.0]) == pytest.approx([-0.1, 0.2], rel=1e-12)


def test_momentum_remembers_the_gradients():
    expected = [-0.1, -0.1 * 1.5, -0.1 * 1.75]
    assert changes(SGD(lr=0.1, momentum=0.5), [1.0, 1.0, 1.0]) == pytest.approx(expected, rel=1e-12)


def test_nesterov_looks_ahead_by_one_momentum_step():
    expected = [-0.1 * 1.5, -0.1 * (1 + 0.5 * 1.5)]
    found = changes(SGD(lr=0.1, momentum=0.5, nesterov=True), [1.0, 1.0])
    assert found == pytest.approx(expected, rel=1e-12)


def test_decay_enters_the_momentum():
    # g = 0 + 0.5·2 = 1, so θ = 1.9; then g = 0.95 and b = 0.5·1 + 0.95.
    found = changes(SGD(lr=0.1, momentum=0.5, weight_decay=0.5), [0.0, 0.0])
    assert found == pytest.approx([-0.1, -0.145], rel=1e-12)
