"""Chains in potentials whose learning coefficient is known, many copies side by side."""

import math

import numpy as np
import pytest
import torch

from grokscope.errors import ConfigError
from grokscope.ops.sampling import langevin_losses

COPIES = 400


def coefficient(loss, size, *, scale, localizer, step_size, draws=400, burn_in=150):
    """Return nβ(E[L] - L(0)) for each of COPIES independent copies of a potential of `size`."""

    def value_and_gradient(point):
        leaf = point.clone().requires_grad_()
        value = loss(leaf.view(COPIES, size)).sum()
        return value.detach(), torch.autograd.grad(value, leaf)[0]

    found = langevin_losses(
        value_and_gradient,
        torch.zeros(COPIES * size, dtype=torch.float64),
        scale=scale,
        localizer=localizer,
        step_size=step_size,
        draws=burn_in + draws,
        chain=3,
    )
    return scale * float(found[burn_in:].mean()) / COPIES


@pytest.mark.parametrize(("localizer", "factor"), [(0.0, 1.0), (200.0, 0.5)])
def test_a_quadratic_has_half_its_dimension_less_the_bias_of_the_localizer(localizer, factor):
    # L = w²: h = 2, nβh = 200, so a localizer of 200 takes half.
    found = coefficient(
        lambda w: w.square().sum(1), 3, scale=100.0, localizer=localizer, step_size=4e-4
    )
    assert found == pytest.approx(3 / 2 * factor, rel=0.04)


def test_a_fourth_power_has_a_quarter():
    found = coefficient(lambda w: w.pow(4).sum(1), 1, scale=100.0, localizer=0.0, step_size=4e-3)
    assert found == pytest.approx(1 / 4, rel=0.05)


def expected_crossing(scale, localizer):
    """Return E[t w₁²w₂²] under exp(-t w₁²w₂² - γ‖w‖²/2), by quadrature.

    Over w₂ it is Gaussian of precision 2t w₁² + γ, where t w₁² w₂² has mean t w₁²/(2t w₁² + γ).
    With w₁ = √(γ/2t) sinh u that is ½ tanh² u, and the weight of u is exp(-γw₁²/2).
    """
    u = np.linspace(-60, 60, 200_001)
    with np.errstate(over="ignore"):
        weight = np.exp(-(localizer**2) / (4 * scale) * np.sinh(u) ** 2)
    return float((np.tanh(u) ** 2 / 2 * weight).sum() / weight.sum())


def test_the_crossing_of_two_valleys_tends_to_one_half():
    # λ = ½ of multiplicity 2, so it comes as slowly as 1/ln t.
    found = [expected_crossing(10.0**k, 1.0) for k in (2, 4, 8, 16)]
    assert found == sorted(found)
    assert found[-1] == pytest.approx(0.5, abs=0.03)


def test_the_crossing_of_two_valleys_is_that_of_a_quadrature():
    found = coefficient(
        lambda w: w.square().prod(1), 2, scale=50.0, localizer=4.0, step_size=2e-3, draws=2500
    )
    assert found == pytest.approx(expected_crossing(50.0, 4.0), rel=0.04)


def test_a_chain_is_a_function_of_its_number():
    def value_and_gradient(point):
        return point.square().sum() / 2, point

    options = {"scale": 1.0, "localizer": 0.0, "step_size": 0.1, "draws": 5}
    center = torch.ones(4, dtype=torch.float64)
    one, again, other = (
        langevin_losses(value_and_gradient, center, chain=number, **options) for number in (0, 0, 1)
    )
    assert torch.equal(one, again)
    assert float(one[0]) == 2.0
    assert not torch.equal(one, other)


def test_a_chain_that_flies_off_is_refused():
    def value_and_gradient(point):
        return point.pow(4).sum(), 4 * point.pow(3)

    with pytest.raises(ConfigError, match=r"^step_size: 10 lets chain 0 diverge"):
        langevin_losses(
            value_and_gradient,
            torch.ones(2, dtype=torch.float64),
            scale=1.0,
            localizer=0.0,
            step_size=10.0,
            draws=50,
            chain=0,
        )


def test_the_bias_of_the_step_is_as_stated():
    """A linear map with noise: the variance is 1/(a(1 - εa/4)) at curvature a."""
    a, step_size = 100.0, 2e-2
    found = coefficient(
        lambda w: w.square().sum(1) / 2, 1, scale=a, localizer=0.0, step_size=step_size
    )
    assert found == pytest.approx(0.5 / (1 - step_size * a / 4), rel=0.04)
    assert math.isclose(1 - step_size * a / 4, 0.5)
