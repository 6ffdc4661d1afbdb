import json

import pytest
import torch
import torch.nn.functional as F
from torch.func import grad, hessian, jvp, vmap

from grokscope.ops import products
from grokscope.ops.lanes import each, lanes
from grokscope.ops.products import FlopCounter, linear, onednn_is_faster, product
from grokscope.ops.rounding import Rounded, to_bf16

N, K, M = 96, 80, 90  # large enough to be worth the choice


@pytest.fixture
def onednn(monkeypatch):
    """Let large products go to oneDNN whatever this machine is like."""
    if not products._has_onednn():
        pytest.skip("this PyTorch was built without oneDNN")
    monkeypatch.setattr(products, "onednn_is_faster", lambda: True)
    monkeypatch.setattr(products, "LEAST", 1)


def given(dtype=torch.float32, runs=()):
    generator = torch.Generator().manual_seed(0)
    shapes = (*runs, N, K), (*runs, M, K), (*runs, M)
    return tuple(torch.randn(s, generator=generator, dtype=dtype) for s in shapes)


def distance(found, exact):
    return float((found.double() - exact).norm() / exact.norm())


def loss(function):
    return lambda x, weight, bias: function(x, weight, bias).tanh().square().sum()


@pytest.mark.parametrize("order", ["rows", "columns", "with gaps"])
@pytest.mark.parametrize("biased", [True, False])
def test_values_and_gradients_are_those_of_float64(onednn, order, biased):
    x, weight, bias = given()
    if order == "columns":
        x, weight = x.t().contiguous().t(), weight.t().contiguous().t()
    if order == "with gaps":
        x, weight = (torch.cat([part, part], dim=1)[:, : part.shape[1]] for part in (x, weight))
    inputs = [part.requires_grad_() for part in (x, weight, bias)[: 2 + biased]]
    exact = [part.detach().double().requires_grad_() for part in inputs]
    found, expected = linear(*inputs), F.linear(*exact)
    assert type(found.grad_fn).__name__ == "_LinearBackward"
    assert distance(found.detach(), expected.detach()) < 1e-6
    along = torch.randn(N, M, generator=torch.Generator().manual_seed(1))
    ours = torch.autograd.grad(found, inputs, along)
    theirs = torch.autograd.grad(expected, exact, along.double())
    for left, right in zip(ours, theirs, strict=True):
        assert distance(left, right) < 1e-6


def test_a_product_is_left_times_right(onednn):
    left, right, _ = given()
    assert distance(product(left, right.t()), left.double() @ right.double().t()) < 1e-6


def test_only_wanted_gradients_are_taken(onednn):
    x, weight, bias = given()
    (found,) = torch.autograd.grad(loss(linear)(x, weight.requires_grad_(), bias), weight)
    assert distance(found, grad(loss(F.linear), 1)(x, weight.detach(), bias).double()) < 1e-6


def test_it_can_be_differentiated_twice_forward_and_mapped(onednn):
    x, weight, bias = given()
    small = x[:3, :4].contiguous(), weight[:2, :4].contiguous(), bias[:2].contiguous()
    for argument in range(3):
        found = hessian(loss(linear), argument)(*small)
        expected = hessian(loss(F.linear), argument)(*small)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    along = tuple(torch.ones_like(part) for part in small)
    torch.testing.assert_close(jvp(linear, small, along), jvp(F.linear, small, along))
    runs = given(runs=(2,))
    mapped = vmap(grad(loss(linear), argnums=(0, 1, 2)))(*runs)
    alone = vmap(grad(loss(F.linear), argnums=(0, 1, 2)))(*runs)
    torch.testing.assert_close(mapped, alone)


def test_what_is_small_or_not_float32_is_left_to_pytorch(monkeypatch):
    monkeypatch.setattr(products, "onednn_is_faster", lambda: True)
    x, weight, bias = given(torch.float64)
    assert torch.equal(linear(x, weight, bias), F.linear(x, weight, bias))
    x, weight, bias = (part[:3] for part in given())
    assert torch.equal(linear(x, weight, bias), F.linear(x, weight, bias))
    assert type(linear(x.requires_grad_(), weight).grad_fn).__name__ != "_LinearBackward"


def test_where_onednn_is_not_faster_it_is_not_used(monkeypatch):
    monkeypatch.setattr(products, "onednn_is_faster", lambda: False)
    x, weight, bias = given()
    assert torch.equal(linear(x, weight, bias), F.linear(x, weight, bias))


def test_operations_are_counted(onednn):
    x, weight, _ = given()
    with FlopCounter() as counter:
        linear(x.requires_grad_(), weight.requires_grad_()).sum().backward()
    assert counter.total == 3 * 2 * N * K * M


def test_factors_are_rounded_where_that_is_asked_for(onednn):
    x, weight, _ = given()
    with Rounded("bf16"):
        found = linear(x, weight)
    assert distance(found, to_bf16(x).double() @ to_bf16(weight).double().t()) < 1e-6


def test_the_number_of_lanes_changes_no_bit(onednn):
    items = [(x, w) for x, w, _ in [given()] * 6]
    alone = [linear(x, w) for x, w in items]
    with lanes(3):
        several = each(lambda item: linear(*item), items)
    with lanes(1):
        one = each(lambda item: linear(*item), items)
    assert all(torch.equal(a, b) for a, b in zip(several, one, strict=True))
    assert len(alone) == 6


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("GROKSCOPE_ONEDNN", raising=False)
    monkeypatch.setattr(products, "_has_onednn", lambda: True)
    onednn_is_faster.cache_clear()
    yield tmp_path / "grokscope"
    onednn_is_faster.cache_clear()


@pytest.mark.parametrize(("rate", "faster"), [(119.0, False), (121.0, True)])
def test_the_choice_is_measured_once_and_kept(cache, monkeypatch, rate, faster):
    monkeypatch.setattr(products, "measure", lambda: {"blas": 100.0, "onednn": rate})
    assert onednn_is_faster() is faster
    monkeypatch.setattr(products, "measure", lambda: pytest.fail("measured again"))
    onednn_is_faster.cache_clear()
    assert onednn_is_faster() is faster
    (path,) = cache.glob("products-*.json")
    assert json.loads(path.read_text())["gflops"]["onednn"] == rate


def test_a_damaged_choice_is_made_again(cache, monkeypatch):
    monkeypatch.setattr(products, "measure", lambda: {"blas": 1.0, "onednn": 2.0})
    assert onednn_is_faster()
    (path,) = cache.glob("products-*.json")
    path.write_text("{")
    onednn_is_faster.cache_clear()
    assert onednn_is_faster()
    assert json.loads(path.read_text())["faster"] is True


def test_without_a_place_to_keep_it_the_choice_is_made_all_the_same(cache, monkeypatch):
    cache.parent.joinpath("grokscope").write_text("a file where the folder should be")
    monkeypatch.setattr(products, "measure", lambda: {"blas": 1.0, "onednn": 2.0})
    assert onednn_is_faster()


@pytest.mark.parametrize(("told", "answer"), [("0", False), ("1", True)])
def test_the_environment_decides_without_measuring(cache, monkeypatch, told, answer):
    monkeypatch.setattr(products, "measure", lambda: pytest.fail("measured"))
    monkeypatch.setenv("GROKSCOPE_ONEDNN", told)
    assert onednn_is_faster() is answer


def test_both_libraries_are_measured():
    if not products._has_onednn():
        pytest.skip("this PyTorch was built without oneDNN")
    rates = products.measure()
    assert set(rates) == {"blas", "onednn"}
    assert all(rate > 0 for rate in rates.values())
