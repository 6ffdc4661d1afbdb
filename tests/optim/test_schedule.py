import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grokscope.errors import ConfigError
from grokscope.optim import Schedule


def test_a_constant_schedule_is_one_everywhere():
    assert [Schedule().factor(step) for step in (0, 1, 10**9)] == [1.0, 1.0, 1.0]


def test_a_warm_up_starts_at_nil_and_rises_in_a_line():
    schedule = Schedule(warmup_steps=4)
    assert [schedule.factor(step) for step in range(6)] == [0, 0.25, 0.5, 0.75, 1, 1]


def test_a_cosine_ends_at_its_floor_and_stays_there():
    schedule = Schedule(shape="cosine", cosine_steps=10, floor=0.2)
    assert schedule.factor(0) == 1.0
    assert schedule.factor(5) == pytest.approx(0.6, rel=1e-12)
    assert [schedule.factor(step) for step in (10, 11, 10**6)] == [0.2, 0.2, 0.2]


@pytest.mark.parametrize("floor", [0.0, 0.1])
def test_the_cosine_is_that_of_torch(floor):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=2.0)
    twin = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=30, eta_min=2.0 * floor)
    schedule = Schedule(shape="cosine", cosine_steps=30, floor=floor)
    for step in range(31):
        rate = optimizer.param_groups[0]["lr"]
        assert 2.0 * schedule.factor(step) == pytest.approx(rate, rel=1e-9, abs=1e-12)
        optimizer.step()
        twin.step()


@given(st.integers(0, 50), st.integers(1, 100), st.floats(0, 1), st.integers(0, 400), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_factor_stays_between_zero_and_one(warmup, span, floor, step, cosine):
    end = warmup + span if cosine else None
    shape = "cosine" if cosine else "constant"
    schedule = Schedule(shape=shape, warmup_steps=warmup, cosine_steps=end, floor=floor)
    assert 0 <= schedule.factor(step) <= 1 + 1e-12
    assert math.isfinite(schedule.factor(step))


@given(st.integers(0, 20), st.integers(1, 50), st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_after_the_warm_up_a_cosine_only_falls(warmup, span, floor):
    schedule = Schedule(
        shape="cosine", warmup_steps=warmup, cosine_steps=warmup + span, floor=floor
    )
    factors = [schedule.factor(step) for step in range(warmup, warmup + span + 3)]
    assert factors[0] == pytest.approx(1.0, rel=1e-12)
    assert all(a >= b - 1e-15 for a, b in itertools.pairwise(factors))


@pytest.mark.parametrize(
    "fields", [{"shape": "cosine"}, {"cosine_steps": 10}, {"shape": "constant", "cosine_steps": 5}]
)
def test_the_cosine_and_its_end_come_together(fields):
    expected = r"^cosine_steps: needed for shape: cosine and for nothing else$"
    with pytest.raises(ConfigError, match=expected):
        Schedule(**fields)


@pytest.mark.parametrize("warmup", [10, 11])
def test_the_cosine_must_end_after_the_warm_up(warmup):
    expected = rf"^cosine_steps: must be more than the {warmup} warmup_steps$"
    with pytest.raises(ConfigError, match=expected):
        Schedule(shape="cosine", cosine_steps=10, warmup_steps=warmup)
