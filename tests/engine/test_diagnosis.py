import math

import pytest
import torch

from grokscope.config import decode
from grokscope.engine.diagnosis import diagnose
from grokscope.engine.member import Member


@pytest.fixture
def member():
    return Member(
        0,
        decode(
            {
                "task": {"kind": "modular", "p": 7},
                "model": {"kind": "mlp", "width": 8},
                "optimizer": {"kind": "adamw", "lr": 0.5},
                "schedule": {"warmup_steps": 10},
            }
        ),
    )


def plant(vector, layout, name, value=math.nan):
    start = 0
    for entry in layout.entries:
        if entry.name == name:
            vector[start + entry.size - 1] = value
        start += entry.size


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("name", ["first.weight", "first.bias", "unembed.weight"])
def test_the_tensor_in_which_a_bad_number_was_planted_is_named(member, name, value):
    plant(member.params, member.problem.layout, name, value)
    found = diagnose(member, {}, math.nan)
    assert found["first_bad"] == f"parameter {name}"
    assert found["bad"] == [f"parameter {name}"]
    assert found["norms"][f"parameter {name}"] == str(value)


def test_a_bad_gradient_of_finite_parameters_is_named(member):
    gradient = torch.zeros_like(member.params)
    plant(gradient, member.problem.layout, "first.bias")
    assert diagnose(member, {"gradient": gradient}, math.nan)["first_bad"] == "gradient first.bias"


def test_a_bad_state_of_the_optimizer_is_named(member):
    member.optimizer["exp_avg_sq"][3] = math.inf
    assert diagnose(member, {}, math.nan)["first_bad"] == "optimizer exp_avg_sq"


def test_finite_tensors_leave_the_loss_as_the_place(member):
    member.step = 5
    found = diagnose(member, {}, math.inf)
    assert found["first_bad"] == "the logits or the loss, of finite parameters"
    assert found["objective"] == "inf"
    assert found["lr"] == pytest.approx(0.25)
    flat = member.params.double()
    total = sum(found["norms"][f"parameter {e.name}"] ** 2 for e in member.problem.layout.entries)
    assert math.sqrt(total) == pytest.approx(float(flat.norm()))


def test_norms_beyond_float32_are_still_numbers(member):
    member.params.fill_(1e30)
    norms = diagnose(member, {}, math.nan)["norms"]
    assert norms["parameter first.bias"] == pytest.approx(1e30 * math.sqrt(8))
