import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grokscope.objectives.stablemax import StableMax, stable

numbers = st.floats(-1e6, 1e6)


@given(numbers)
@settings(max_examples=60, deadline=None)
def test_s_of_x_times_s_of_minus_x_is_one(x):
    x = torch.tensor(x, dtype=torch.float64)
    assert (stable(x) * stable(-x)).item() == pytest.approx(1.0, rel=1e-12)


@given(numbers)
@settings(max_examples=60, deadline=None)
def test_s_is_linear_above_zero_and_a_reciprocal_below(x):
    expected = x + 1 if x >= 0 else 1 / (1 - x)
    found = stable(torch.tensor(x, dtype=torch.float64)).item()
    assert found == pytest.approx(expected, rel=1e-12)


def test_s_grows_without_a_kink_at_zero():
    x = torch.tensor([-1e-9, 0.0, 1e-9], dtype=torch.float64, requires_grad=True)
    (slopes,) = torch.autograd.grad(stable(x).sum(), x)
    assert slopes[0].item() == pytest.approx(1.0, abs=1e-6)
    assert slopes[2].item() == pytest.approx(1.0, abs=1e-6)


def test_the_slope_at_zero_is_one():
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(stable(x).sum(), x)
    assert slope.item() == 1.0


def test_a_confident_answer_does_not_collapse_in_float32():
    logits = torch.tensor([[1000.0, 0.0]], requires_grad=True)
    loss = StableMax().per_example(logits, torch.tensor([0]))
    assert loss.item() == pytest.approx(math.log(1002 / 1001), rel=1e-3)
    loss.sum().backward()
    assert logits.grad is not None
    assert logits.grad[0, 0].item() < 0
