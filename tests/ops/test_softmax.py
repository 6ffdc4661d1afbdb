import math

import pytest
import torch
import torch.nn.functional as F
from torch.func import grad, jvp, vmap

from grokscope.ops.softmax import cross_entropy


def given(scale=3.0, n=20, classes=7):
    generator = torch.Generator().manual_seed(0)
    logits = scale * torch.randn(n, classes, generator=generator)
    return logits, torch.randint(classes, (n,), generator=generator)


def fast(logits, targets):
    return cross_entropy(logits, targets, torch.float64)


def slow(logits, targets):
    return F.cross_entropy(logits.double(), targets, reduction="none")


@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0, 1e4])
def test_losses_and_gradients_are_those_of_the_twin(scale):
    def everything(function):
        logits, targets = given(scale)
        logits.requires_grad_()
        losses = function(logits, targets)
        return losses, torch.autograd.grad(losses.square().sum(), logits)[0]

    (losses, gradient), (expected, slope) = everything(fast), everything(slow)
    assert losses.dtype == torch.float64
    torch.testing.assert_close(losses, expected, rtol=1e-14, atol=1e-14)
    assert gradient.dtype == torch.float32
    torch.testing.assert_close(gradient, slope, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("gap", [1.0, 20.0, 60.0, 300.0])
def test_a_loss_keeps_its_digits_far_below_the_precision_of_one(gap):
    logits = torch.tensor([[gap, 0.0, 0.0]], requires_grad=True)
    loss = fast(logits, torch.tensor([0]))
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    others = 2 * math.exp(-gap)
    assert loss.item() == pytest.approx(math.log1p(others), rel=1e-14)
    assert gradient[0, 0].item() == pytest.approx(-others / (1 + others), rel=1e-6, abs=1e-45)


def test_what_is_not_finite_is_not_hidden():
    logits, targets = given()
    logits[2, 3], logits[5, 1], logits[7] = math.nan, math.inf, -math.inf
    losses = fast(logits, targets)
    assert torch.isnan(losses).nonzero().flatten().tolist() == [2, 5, 7]


def test_second_forward_and_mapped_derivatives_equal_those_of_the_twin():
    def product(function, logits, targets, along):
        gradient = grad(lambda z: function(z, targets).square().sum())
        return jvp(gradient, (logits,), (along,))[1]

    logits, targets = given()
    along = torch.linspace(-1, 1, logits.numel()).view_as(logits)
    expected = product(slow, logits, targets, along)
    torch.testing.assert_close(product(fast, logits, targets, along), expected)
    mapped = vmap(lambda z, d: product(fast, z, targets, d))(
        logits.expand(2, -1, -1), along[None].expand(2, -1, -1)
    )
    torch.testing.assert_close(mapped, expected.expand(2, -1, -1))
    forward = jvp(lambda z: fast(z, targets), (logits,), (along,))[1]
    torch.testing.assert_close(forward, jvp(lambda z: slow(z, targets), (logits,), (along,))[1])


@pytest.mark.parametrize("dtypes", [(torch.float64, torch.float64), (torch.float32, torch.float32)])
def test_other_precisions_take_the_plain_formula(dtypes):
    logits, targets = given()
    found = cross_entropy(logits.to(dtypes[0]), targets, dtypes[1])
    assert found.dtype == dtypes[1]
    assert torch.equal(found, F.cross_entropy(logits.to(dtypes[1]), targets, reduction="none"))
