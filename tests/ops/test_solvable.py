import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad, solve_ivp

from grokscope.ops.solvable import (
    RidgeFlow,
    marchenko_pastur,
    ridge_errors_at_scale,
    share_within,
    two_weights,
)

TIMES = torch.tensor([0.0, 0.01, 0.3, 1.0, 4.0, 20.0], dtype=torch.float64)


def simulated(velocity, start):
    span = (0.0, float(TIMES[-1]))
    options = {"method": "DOP853", "rtol": 1e-12, "atol": 1e-13, "t_eval": TIMES.numpy()}
    return solve_ivp(lambda t, w: velocity(w), span, start, **options).y.T


@pytest.mark.parametrize("decay", [0.0, 0.05, 1.0])
def test_two_weights_follow_the_gradient_of_their_loss(decay):
    def velocity(w):
        return -(2 * (w[0] + w[1] - 2) + 2 * decay * w)

    expected = simulated(velocity, [-1.0, 1.0])
    found = two_weights(TIMES, decay).numpy()
    assert np.abs(found - expected).max() <= 1e-10
    total, difference = found.sum(1), found[:, 0] - found[:, 1]
    for t, s, d in zip(TIMES.tolist(), total, difference, strict=True):
        assert s == pytest.approx(4 / (2 + decay) * (1 - math.exp(-(4 + 2 * decay) * t)), abs=1e-12)
        assert d == pytest.approx(-2 * math.exp(-2 * decay * t), abs=1e-12)


@pytest.mark.parametrize("ridge", [0.0, 0.03, 2.0])
@pytest.mark.parametrize(("n", "d"), [(12, 5), (4, 7), (6, 6)])
def test_the_ridge_flow_is_that_of_the_ode(n, d, ridge):
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(n, d)), generator.normal(size=n)
    start, teacher = generator.normal(size=d), generator.normal(size=d)
    spread = generator.normal(size=(d, d))
    covariance = spread @ spread.T

    def velocity(w):
        return -(x.T @ (x @ w - y) / n + ridge * w)

    expected = simulated(velocity, start)
    flow = RidgeFlow(
        inputs=torch.from_numpy(x),
        targets=torch.from_numpy(y),
        start=torch.from_numpy(start),
        ridge=ridge,
    )
    assert np.abs(flow.weights(TIMES).numpy() - expected).max() <= 1e-9
    train = [np.mean((x @ w - y) ** 2) for w in expected]
    assert flow.train_error(TIMES).tolist() == pytest.approx(train, abs=1e-9)
    away = [(w - teacher) @ covariance @ (w - teacher) for w in expected]
    found = flow.test_error(
        TIMES, teacher=torch.from_numpy(teacher), covariance=torch.from_numpy(covariance)
    )
    assert found.tolist() == pytest.approx(away, rel=1e-8)
    plain = [np.sum((w - teacher) ** 2) for w in expected]
    found = flow.test_error(TIMES, teacher=torch.from_numpy(teacher))
    assert found.tolist() == pytest.approx(plain, rel=1e-8)


@pytest.mark.parametrize("ridge", [0.1, 0.0])
def test_the_flow_ends_at_the_ridge_solution(ridge):
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(9, 4)), generator.normal(size=9)
    expected = np.linalg.solve(x.T @ x / 9 + ridge * np.eye(4), x.T @ y / 9)
    flow = RidgeFlow(
        inputs=torch.from_numpy(x),
        targets=torch.from_numpy(y),
        start=torch.ones(4, dtype=torch.float64),
        ridge=ridge,
    )
    end = flow.weights(torch.tensor([1e6]))[0].numpy()
    assert np.abs(end - expected).max() <= 1e-12


@pytest.mark.parametrize("ratio", [0.2, 0.9, 2.5])
def test_the_limit_law_has_its_moments(ratio):
    values, masses = marchenko_pastur(ratio)
    moments = [float((masses * values**k).sum()) for k in range(4)]
    exact = [1, 1, 1 + ratio, 1 + 3 * ratio + ratio**2]
    assert moments == pytest.approx(exact, rel=1e-10)
    low, high = (1 - math.sqrt(ratio)) ** 2, (1 + math.sqrt(ratio)) ** 2

    def density(s):
        return math.exp(-s) * math.sqrt((high - s) * (s - low)) / (2 * math.pi * ratio * s)

    expected = quad(density, low, high, limit=200)[0] + max(0.0, 1 - 1 / ratio)
    assert float((masses * (-values).exp()).sum()) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("ridge", [0.0, 0.05])
@pytest.mark.parametrize("ratio", [0.5, 1.6])
def test_random_problems_have_the_errors_of_the_limit_on_average(ratio, ridge):
    generator = np.random.default_rng(2)
    d, draws = 240, 16
    times = torch.tensor([0.0, 0.5, 2.0, 10.0], dtype=torch.float64)
    sums = [np.zeros(4), np.zeros(4)]
    for _ in range(draws):
        x = generator.normal(size=(round(d / ratio), d))
        first, second = np.linalg.qr(generator.normal(size=(d, 2)))[0].T
        start, teacher = 2 * first, 0.7 * second
        flow = RidgeFlow(
            inputs=torch.from_numpy(x),
            targets=torch.from_numpy(x @ teacher),
            start=torch.from_numpy(start),
            ridge=ridge,
        )
        sums[0] += flow.train_error(times).numpy() / draws
        sums[1] += flow.test_error(times, teacher=torch.from_numpy(teacher)).numpy() / draws
    limits = ridge_errors_at_scale(times, ratio=ratio, ridge=ridge, start=4.0, teacher=0.49)
    for found, limit in zip(sums, limits, strict=True):
        assert found.tolist() == pytest.approx(limit.tolist(), rel=0.12)


def test_the_share_of_small_errors_is_that_of_gaussian_draws():
    draws = np.random.default_rng(3).normal(size=200_000) * math.sqrt(0.7)
    expected = float((draws**2 <= 0.2).mean())
    found = share_within(torch.tensor([0.7], dtype=torch.float64), 0.2).item()
    assert found == pytest.approx(expected, abs=0.005)
