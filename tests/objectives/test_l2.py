import pytest
import torch

from grokscope.objectives.l2 import L2


def test_the_penalty_is_half_the_sum_of_all_squares():
    params = {
        "a": torch.tensor([[1.0, -2.0], [3.0, 0.5]], dtype=torch.float64),
        "b": torch.tensor([4.0], dtype=torch.float64),
    }
    expected = sum(x * x for x in (1.0, -2.0, 3.0, 0.5, 4.0)) / 2
    value = L2(weight=7.0).value(lambda inputs: inputs, params, None)
    assert value.item() == pytest.approx(expected, rel=1e-14)


def test_the_gradient_is_the_parameters():
    leaf = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64, requires_grad=True)
    L2().value(lambda inputs: inputs, {"a": leaf}, None).backward()
    assert leaf.grad is not None
    assert leaf.grad.tolist() == [1.0, -2.0, 3.0]
