import math

import pytest
import torch

from grokscope.ops.gating import gate, gate_entropy, gini, logit_of, routing_entropy

LOGITS = [-30.0, -4.0, -0.7, 0.0, 0.3, 2.0, 30.0]


def vector(values, dtype=torch.float64):
    return torch.tensor(values, dtype=dtype)


def sigmoid(a):
    return 1 / (1 + math.exp(-a))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_sigmoid_gate_is_its_formula(temperature):
    value, soft = gate(vector(LOGITS), temperature, "sigmoid")
    assert value.tolist() == pytest.approx([sigmoid(a / temperature) for a in LOGITS], rel=1e-14)
    assert torch.equal(value, soft)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_gumbel_gate_is_the_mean_of_relaxed_gates_at_64_quantiles(temperature):
    value, _ = gate(vector(LOGITS), temperature, "gumbel")
    for a, found in zip(LOGITS, value.tolist(), strict=True):
        noise = [math.log(u / (1 - u)) for u in [(k + 0.5) / 64 for k in range(64)]]
        expected = sum(sigmoid((a + e) / temperature) for e in noise) / 64
        assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("a", [-3.0, -0.4, 1.5])
def test_at_temperature_one_the_quantiles_are_close_to_the_exact_mean(a):
    # ∫₀¹ ru/(ru + 1 - u) du with r = exp(a), by parts.
    r = math.exp(a)
    exact = r * (r - 1 - math.log(r)) / (r - 1) ** 2
    value, _ = gate(vector(a), 1.0, "gumbel")
    assert value.item() == pytest.approx(exact, abs=1e-3)


def test_a_cold_gumbel_gate_is_the_chance_of_being_open():
    value, _ = gate(vector([-2.0, 0.0, 1.0]), 1e-3, "gumbel")
    assert value.tolist() == pytest.approx([sigmoid(a) for a in (-2.0, 0.0, 1.0)], abs=1 / 64)


def test_a_straight_through_gate_is_a_step_with_the_gradient_of_the_sigmoid():
    leaf = vector(LOGITS).requires_grad_()
    value, soft = gate(leaf, 0.5, "straight_through")
    assert value.tolist() == [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    (gradient,) = torch.autograd.grad(value.sum(), leaf)
    slopes = [sigmoid(2 * a) * (1 - sigmoid(2 * a)) / 0.5 for a in LOGITS]
    assert gradient.tolist() == pytest.approx(slopes, rel=1e-9, abs=1e-20)
    assert soft.tolist() == pytest.approx([sigmoid(2 * a) for a in LOGITS], rel=1e-12)


@pytest.mark.parametrize("form", ["sigmoid", "gumbel"])
def test_the_gradient_of_a_gate_agrees_with_differences(form):
    leaf = vector(LOGITS[1:-1]).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: gate(a, 0.7, form)[0], (leaf,), rtol=1e-6)


@pytest.mark.parametrize("form", ["sigmoid", "gumbel", "straight_through"])
@pytest.mark.parametrize("temperature", [0.2, 1.0, 4.0])
@pytest.mark.parametrize(("asked", "got"), [(1.0, 0.99), (0.5, 0.5), (0.2, 0.2), (0.0, 0.01)])
def test_a_gate_starts_where_it_was_asked_to(form, temperature, asked, got):
    logit = logit_of(asked, temperature, form)
    _, soft = gate(vector(logit), temperature, form)
    assert soft.item() == pytest.approx(got, abs=1e-12)


def test_the_entropy_of_gates_is_its_formula():
    values = [0.1, 0.5, 0.9]
    found = gate_entropy(vector(values)).tolist()
    expected = [-g * math.log(g) - (1 - g) * math.log(1 - g) for g in values]
    assert found == pytest.approx(expected, rel=1e-14)
    assert gate_entropy(vector(0.5)).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_entropies_of_saturated_gates_and_weights_have_finite_gradients(dtype):
    leaf = vector([-200.0, -1.0, 200.0], dtype).requires_grad_()
    (gradient,) = torch.autograd.grad(gate_entropy(torch.sigmoid(leaf)).sum(), leaf)
    assert torch.isfinite(gradient).all()
    assert gradient[1] > 0
    (gradient,) = torch.autograd.grad(routing_entropy(torch.softmax(leaf, 0)), leaf)
    assert torch.isfinite(gradient).all()
    assert gate_entropy(vector([0.0, 1.0], dtype)).abs().max() < 1e-5


def test_the_entropy_of_weights_lies_between_one_head_and_all_alike():
    rows = vector([[1.0, 0.0, 0.0], [1 / 3] * 3, [0.5, 0.25, 0.25]])
    expected = [0.0, math.log(3), 1.5 * math.log(2)]
    assert routing_entropy(rows).tolist() == pytest.approx(expected, abs=1e-14)


def test_the_gini_coefficient_is_that_counted_pair_by_pair():
    rows = [[0.7, 0.1, 0.2], [0.25, 0.25, 0.5]]
    for row, found in zip(rows, gini(vector(rows)).tolist(), strict=True):
        apart = sum(abs(a - b) for a in row for b in row)
        assert found == pytest.approx(apart / (2 * 3 * sum(row)), rel=1e-13)
    assert gini(vector([0.0, 0.0, 1.0, 0.0])).item() == pytest.approx(3 / 4)
    assert gini(vector([0.2] * 5)).item() == pytest.approx(0.0, abs=1e-15)
