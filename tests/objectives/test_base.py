import math

import pytest
import torch

from grokscope.objectives import Objective
from grokscope.objectives.cross_entropy import CrossEntropy
from grokscope.objectives.l2 import L2
from grokscope.objectives.mse import MSE

INPUTS = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
TARGETS = torch.tensor([0, 1, 0])


@pytest.fixture
def weight():
    return torch.tensor([[0.5, -1.0], [2.0, 0.25]], requires_grad=True)


def terms_of(objective, weight):
    return objective.terms(lambda x: x @ weight.t(), {"weight": weight}, INPUTS, TARGETS)


def test_the_task_loss_is_the_mean_over_examples(weight):
    terms = terms_of(Objective(MSE(over_classes="sum")), weight)
    # Logits (0.5, 2), (-1, 0.25) and (-0.5, 2.25) against (1, 0), (0, 1) and (1, 0).
    expected = ((0.25 + 4) + (1 + 0.5625) + (2.25 + 5.0625)) / 3
    assert terms.task.item() == pytest.approx(expected, rel=1e-12)
    assert terms.logits.shape == (3, 2)


def test_several_answers_count_as_examples():
    logits = torch.tensor([[[0.5, 2.0], [-1.0, 0.25]], [[1.0, 0.0], [0.0, 3.0]]])
    targets = torch.tensor([[0, 1], [0, 1]])
    found = Objective(MSE(over_classes="sum")).task_loss(logits, targets)
    expected = ((0.25 + 4) + (1 + 0.5625) + 0 + 4) / 4
    assert found.item() == pytest.approx(expected, rel=1e-12)


def test_the_total_is_the_task_plus_weighted_penalties(weight):
    squares = 0.25 + 1 + 4 + 0.0625
    terms = terms_of(Objective(CrossEntropy(), (L2(weight=0.1), L2(weight=0.02))), weight)
    assert terms.penalty.item() == pytest.approx(0.12 * squares / 2, rel=1e-6)
    assert terms.total.item() == pytest.approx((terms.task + terms.penalty).item(), rel=1e-12)


def test_without_penalties_the_total_is_the_task(weight):
    terms = terms_of(Objective(CrossEntropy()), weight)
    assert terms.penalty.item() == 0.0
    assert torch.equal(terms.total, terms.task)


def test_the_loss_has_a_dtype_of_its_own_and_the_gradient_that_of_the_parameters(weight):
    for dtype in (torch.float32, torch.float64):
        terms = terms_of(Objective(CrossEntropy(), (L2(weight=0.1),), dtype), weight)
        assert terms.task.dtype == dtype
        assert terms.logits.dtype == torch.float32
        (gradient,) = torch.autograd.grad(terms.total, weight)
        assert gradient.dtype == torch.float32


def test_float64_is_the_default_and_keeps_confident_answers_apart():
    logits = torch.tensor([[20.0, 0.0]])
    target = torch.tensor([0])
    found = Objective(CrossEntropy()).task_loss(logits, target).item()
    assert found == pytest.approx(math.log1p(math.exp(-20.0)), rel=1e-6)
    assert Objective(CrossEntropy(), dtype=torch.float32).task_loss(logits, target).item() == 0.0
