import numpy as np
import pytest
import torch

from grokscope.ops.lanes import each, lanes
from grokscope.ops.rounding import Rounded, to_bf16, to_tf32

BITS = {"tf32": (to_tf32, 10), "bf16": (to_bf16, 7)}


def by_hand(x, bits):
    """Round the mantissa of one float to a number of bits, ties to even."""
    mantissa, exponent = np.frexp(np.float64(x))
    return float(np.ldexp(np.round(mantissa * 2 ** (bits + 1)), exponent - bits - 1))


@pytest.mark.parametrize("form", BITS)
def test_values_are_rounded_to_the_nearest_of_the_format(form):
    function, bits = BITS[form]
    x = torch.randn(500, generator=torch.Generator().manual_seed(0)) * 10
    x[:3] = torch.tensor([0.0, 1 + 2.0**-bits / 2, 1 + 3 * 2.0**-bits / 2])  # zero, two ties
    assert function(x).tolist() == [by_hand(value, bits) for value in x.tolist()]


@pytest.mark.parametrize("form", BITS)
def test_what_is_not_finite_stays_so(form):
    x = torch.tensor([float("nan"), float("inf"), -float("inf")])
    assert torch.equal(torch.isnan(BITS[form][0](x)), torch.isnan(x))
    assert BITS[form][0](x)[1:].tolist() == [float("inf"), -float("inf")]


@pytest.mark.parametrize("form", BITS)
def test_products_and_their_gradients_are_those_of_rounded_factors(form):
    function = BITS[form][0]
    a, b = torch.randn(6, 5), torch.randn(5, 4)
    a.requires_grad_()
    with Rounded(form):
        product = a @ b
        (gradient,) = torch.autograd.grad(product.square().sum(), a)
    assert torch.equal(product, function(a) @ function(b))
    assert torch.equal(gradient, function(2 * product) @ function(b).t())
    assert torch.equal(a @ b, torch.mm(a, b))


def test_float64_is_left_alone_and_every_lane_rounds():
    a = torch.randn(40, 40)
    with lanes(3, lambda: Rounded("bf16")):
        found = each(lambda x: x @ x, [a] * 6)
        assert torch.equal(a.double() @ a.double(), torch.mm(a.double(), a.double()))
    assert all(torch.equal(x, to_bf16(a) @ to_bf16(a)) for x in found)
