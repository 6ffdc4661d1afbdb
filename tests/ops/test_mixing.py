import pytest
import torch
from torch.func import grad, jvp, vmap

from grokscope.ops.mixing import Bags, Group, mix, mix_plainly

HEADS = 3
RESULTS = 40
ROWS = (7, 5, 1)


@pytest.fixture
def bags():
    generator = torch.Generator().manual_seed(0)
    sources = [(torch.randint(0, k, (RESULTS,), generator=generator), k) for k in ROWS]
    return Bags.of(sources, HEADS), sources


def given(seed=1, out=4, runs=()):
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(*runs, RESULTS, HEADS * 3, generator=generator, dtype=torch.float64)
    tables = torch.randn(*runs, sum(ROWS) * HEADS, out, generator=generator, dtype=torch.float64)
    return weights, tables


def by_hand(weights, tables, sources):
    """Return the mixtures by three nested loops."""
    result = torch.zeros(RESULTS, tables.shape[1], dtype=tables.dtype)
    for i in range(RESULTS):
        offset = 0
        for j, (index, k) in enumerate(sources):
            for h in range(HEADS):
                row = (offset + int(index[i])) * HEADS + h
                result[i] += weights[i, j * HEADS + h] * tables[row]
            offset += k
    return result


@pytest.mark.parametrize("function", [mix, mix_plainly])
def test_a_mixture_is_the_weighted_sum_of_its_rows(bags, function):
    found = function(*given(), bags[0])
    torch.testing.assert_close(found, by_hand(*given(), bags[1]), rtol=1e-13, atol=1e-13)


def test_first_and_second_derivatives_are_those_of_the_formula(bags):
    weights, tables = (x.requires_grad_() for x in given())
    assert torch.autograd.gradcheck(lambda w, t: mix(w, t, bags[0]), (weights, tables))
    small = [x.requires_grad_() for x in given(out=2)]
    assert torch.autograd.gradgradcheck(lambda w, t: mix(w, t, bags[0]) ** 2, small)


def test_forward_and_mapped_derivatives_equal_those_of_the_twin(bags):
    def products(function, w, t, dw, dt):
        def gradient(w, t):
            return grad(lambda w, t: (function(w, t, bags[0]) ** 3).sum(), argnums=(0, 1))(w, t)

        return jvp(gradient, (w, t), (dw, dt))[1]

    inputs = (*given(2, runs=(3,)), *given(3, runs=(3,)))
    fast = vmap(lambda *x: products(mix, *x))(*inputs)
    slow = vmap(lambda *x: products(mix_plainly, *x))(*inputs)
    for found, expected in zip(fast, slow, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    alone = products(mix, *(x[1] for x in inputs))
    for found, expected in zip(alone, slow, strict=True):
        torch.testing.assert_close(found, expected[1], rtol=1e-10, atol=1e-10)


def test_float32_agrees_to_a_millionth(bags):
    def gradients(function, dtype):
        inputs = [x.to(dtype).requires_grad_() for x in given(out=64)]
        return torch.autograd.grad((function(*inputs, bags[0]) ** 2).sum(), inputs)

    for found, expected in zip(
        gradients(mix, torch.float32), gradients(mix_plainly, torch.float64), strict=True
    ):
        assert (found - expected).norm() <= 1e-6 * expected.norm()


def test_groups_hold_every_result_once_and_only_padding_beside():
    index = torch.tensor([2, 0, 2, 2, 4])
    group = Group.of(index, 5)
    assert group.slots.shape == (5, 3)
    for row in range(5):
        used = group.slots[row][group.filled[row, :, 0].bool()]
        assert used.tolist() == (index == row).nonzero().flatten().tolist()
    assert torch.equal(group.slots.flatten()[group.place], torch.arange(5))
