import math

import numpy as np
import pytest

from grokscope.config import load
from grokscope.errors import ScienceError
from grokscope.ops.hjorth import detrended, hjorth
from grokscope.store import create, open_run


def run_with(folder, losses, *, every=1):
    with create(folder / "run", load("quick", environment={}), {}) as writer:
        for number, loss in enumerate(losses):
            writer.measured(every * number, {"train_loss": loss}, float(number))
        writer.finish(compact=True, state="finished", step=every * len(losses))
    return open_run(folder / "run")


@pytest.mark.parametrize("omega", [0.1, 0.7, 2.0])
def test_a_sinusoid_has_complexity_one(omega):
    found = hjorth(3 * np.sin(omega * np.arange(40_000)))
    assert found.activity == pytest.approx(4.5, rel=1e-3)
    assert found.mobility == pytest.approx(2 * math.sin(omega / 2), rel=1e-3)
    assert found.complexity == pytest.approx(1, rel=1e-3)


def test_noise_has_the_complexity_of_its_differences():
    found = hjorth(np.random.default_rng(0).normal(size=200_000))
    # var of the first and second differences of white noise: 2 and 6.
    assert found.mobility == pytest.approx(math.sqrt(2), rel=0.01)
    assert found.complexity == pytest.approx(math.sqrt(6 / 2) / math.sqrt(2), rel=0.01)


def test_a_still_curve_has_no_mobility():
    found = hjorth(np.ones(20))
    assert found.activity == 0
    assert math.isnan(found.mobility)


def test_the_trend_taken_away_is_that_of_least_squares():
    curve = np.random.default_rng(1).normal(size=50)
    x = np.arange(50.0)
    slope = ((x - x.mean()) * (curve - curve.mean())).sum() / ((x - x.mean()) ** 2).sum()
    expected = curve - curve.mean() - slope * (x - x.mean())
    np.testing.assert_allclose(detrended(curve), expected, atol=1e-12)


def test_the_analysis_is_that_of_the_logarithm_of_the_loss(tmp_path):
    steps = np.arange(0, 401, 4)
    wave = 0.3 * np.sin(2 * math.pi * steps / 40)
    run = run_with(tmp_path, np.exp(1 - steps / 100 + wave).tolist(), every=4)
    found = run.analyze("early_oscillation")
    assert found.scalars["every"] == 4
    assert found.scalars["losses"] == 101
    assert found.scalars["activity"] == pytest.approx(0.3**2 / 2, rel=0.03)
    assert found.scalars["mobility"] == pytest.approx(2 * math.sin(math.pi / 10) / 4, rel=0.03)
    assert found.scalars["complexity"] == pytest.approx(1, rel=0.03)
    assert len(found.arrays["detrended"]) == len(found.arrays["steps"]) == 101


def test_uneven_or_few_measurements_are_refused(tmp_path):
    run = run_with(tmp_path, [1.0] * 10)
    with pytest.raises(ScienceError, match=r"10 measurements up to step 9 of 400, needs 16: train"):
        run.analyze("early_oscillation")
    with create(tmp_path / "b", load("quick", environment={}), {}) as writer:
        for step in [*range(40), 60, 80, 100]:
            writer.measured(step, {"train_loss": 1.0}, 0.0)
        writer.finish(compact=True, state="finished", step=100)
    with pytest.raises(ScienceError, match=r"measured every 1 to 21 steps, needs one spacing"):
        open_run(tmp_path / "b").analyze("early_oscillation", until=100)
