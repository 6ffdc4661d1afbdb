import pytest
import torch
from torch.func import vmap

from grokscope.ops.lanes import lanes
from grokscope.ops.moments import SLICE, adam_direction, adam_direction_plainly

SETTINGS = {"betas": (0.9, 0.98), "eps": 1e-8}


def given(size, dtype, runs=()):
    generator = torch.Generator().manual_seed(0)
    gradient, mean, square = (
        torch.randn(*runs, size, generator=generator, dtype=torch.float64).to(dtype)
        for _ in range(3)
    )
    return gradient, mean, square**2


@pytest.mark.parametrize("step", [0, 1, 5000])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
def test_one_pass_gives_what_the_operations_give(step, dtype, tolerance):
    inputs = given(SLICE + 77, dtype)
    before = [x.clone() for x in inputs]
    found = adam_direction(*inputs, **SETTINGS, step=step)
    expected = adam_direction_plainly(*(x.double() for x in inputs), **SETTINGS, step=step)
    for here, there in zip(found, expected, strict=True):
        assert here.dtype == dtype
        torch.testing.assert_close(here.double(), there, rtol=tolerance, atol=tolerance)
    assert all(torch.equal(x, y) for x, y in zip(inputs, before, strict=True))


def test_mapped_runs_may_differ_in_epsilon():
    inputs, eps = given(50, torch.float64, runs=(3,)), torch.tensor([1e-8, 1e-2, 1.0]).double()
    mapped = vmap(lambda g, m, v, e: adam_direction(g, m, v, betas=(0.9, 0.98), eps=e, step=4))
    found = mapped(*inputs, eps)
    for run in range(3):
        one = [x[run] for x in inputs]
        alone = adam_direction(*one, betas=(0.9, 0.98), eps=float(eps[run]), step=4)
        for here, there in zip(found, alone, strict=True):
            torch.testing.assert_close(here[run], there, rtol=1e-14, atol=1e-14)


def test_lanes_change_no_bit():
    inputs = given(3 * SLICE + 5, torch.float32)
    one = adam_direction(*inputs, **SETTINGS, step=9)
    with lanes(2):
        two = adam_direction(*inputs, **SETTINGS, step=9)
    assert all(torch.equal(x, y) for x, y in zip(one, two, strict=True))
