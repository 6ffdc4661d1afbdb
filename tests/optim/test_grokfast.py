import pytest
import torch

from grokscope.optim.grokfast import amplify_average, amplify_window


def vector(*values):
    return torch.tensor(values, dtype=torch.float64)


def directions(transform, gradients):
    params = torch.zeros_like(gradients[0])
    state, found = transform.init(params), []
    for step, gradient in enumerate(gradients):
        direction, state = transform.update(gradient, state, params, step)
        found.append(direction.tolist())
    return found


def test_a_constant_gradient_grows_by_the_amplification():
    gradient = vector(1.0, -2.0)
    for transform in (amplify_average(0.98, 2.0), amplify_window(1, 2.0)):
        for found in directions(transform, [gradient] * 5):
            assert found == pytest.approx([3.0, -6.0], rel=1e-12)


def test_the_average_follows_a_changed_gradient():
    found = directions(amplify_average(0.5, 10.0), [vector(0.0), vector(1.0), vector(1.0)])
    assert [x for (x,) in found] == pytest.approx([0.0, 1 + 10 * 0.5, 1 + 10 * 0.75], rel=1e-12)


def test_a_new_constant_is_amplified_fully_in_the_limit():
    found = directions(amplify_average(0.9, 2.0), [vector(-7.0)] + [vector(1.0)] * 400)
    assert found[-1] == pytest.approx([3.0], rel=1e-12)


def test_a_window_waits_until_it_is_full():
    found = directions(amplify_window(100, 5.0), [vector(1.0)] * 102)
    assert [x for (x,) in found] == pytest.approx([1.0] * 99 + [6.0] * 3, rel=1e-12)


def test_a_window_forgets_what_is_older():
    found = directions(amplify_window(3, 1.0), [vector(float(x)) for x in (9, 1, 2, 3, 4, 6)])
    means = [(9 + 1 + 2) / 3, (1 + 2 + 3) / 3, (2 + 3 + 4) / 3, (3 + 4 + 6) / 3]
    expected = [9.0, 1.0, *(g + m for g, m in zip((2, 3, 4, 6), means, strict=True))]
    assert [x for (x,) in found] == pytest.approx(expected, rel=1e-12)


def test_the_window_is_one_tensor_of_state():
    state = amplify_window(100, 5.0).init(torch.zeros(7))
    assert {name: x.shape for name, x in state.items()} == {"gradients": (100, 7)}
