import math

import pytest
import torch

from grokscope.objectives.cross_entropy import CrossEntropy


def loss(gap, classes, dtype):
    logits = torch.zeros(1, classes, dtype=dtype)
    logits[0, 0] = gap
    return CrossEntropy().per_example(logits, torch.tensor([0])).item()


@pytest.mark.parametrize(("gap", "classes"), [(18.0, 2), (22.0, 113)])
def test_a_confident_answer_collapses_in_float32_and_not_in_float64(gap, classes):
    exact = math.log1p((classes - 1) * math.exp(-gap))
    assert loss(gap, classes, torch.float32) == 0.0
    assert loss(gap, classes, torch.float64) == pytest.approx(exact, rel=1e-6)
    assert exact > 1e-9


def test_the_collapse_takes_the_gradient_of_the_right_logit_with_it():
    gradients = []
    for dtype in (torch.float32, torch.float64):
        logits = torch.tensor([[18.0, 0.0]], dtype=dtype, requires_grad=True)
        CrossEntropy().per_example(logits, torch.tensor([0])).sum().backward()
        assert logits.grad is not None
        gradients.append(logits.grad[0, 0].item())
    assert gradients[0] == 0.0
    assert gradients[1] == pytest.approx(-math.exp(-18.0), rel=1e-6)


def test_equal_logits_cost_the_logarithm_of_the_number_of_classes():
    assert loss(0.0, 113, torch.float64) == pytest.approx(math.log(113), rel=1e-14)
