import pytest
import torch
from torch.func import grad, jvp, vmap

from grokscope.ops.mixing import CHUNK, Bags, mix, mix_plainly

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


def plainly(weights, tables, bags):
    return mix_plainly(weights, tables, bags.index)


@pytest.mark.parametrize("function", [mix, plainly])
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
    slow = vmap(lambda *x: products(plainly, *x))(*inputs)
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
        gradients(mix, torch.float32), gradients(plainly, torch.float64), strict=True
    ):
        assert (found - expected).norm() <= 1e-6 * expected.norm()


def test_the_gradient_of_the_weights_alone_or_the_tables_alone_is_the_same(bags):
    weights, tables = (x.requires_grad_() for x in given())
    both = torch.autograd.grad((mix(weights, tables, bags[0]) ** 2).sum(), (weights, tables))
    alone = torch.autograd.grad((mix(weights, tables.detach(), bags[0]) ** 2).sum(), weights)
    assert torch.equal(alone[0], both[0])
    alone = torch.autograd.grad((mix(weights.detach(), tables, bags[0]) ** 2).sum(), tables)
    assert torch.equal(alone[0], both[1])


def test_bags_know_every_use_from_both_sides():
    first, second = torch.tensor([2, 0, 2]), torch.tensor([1, 1, 0])
    bags = Bags.of([(first, 3), (second, 2)], heads=2)
    expected = [
        [2 * r + h for r in (a, 3 + b) for h in (0, 1)] for a, b in zip(first, second, strict=True)
    ]
    assert bags.index.tolist() == [[int(x) for x in row] for row in expected]
    assert bags.owners.tolist() == sorted({row for bag in expected for row in map(int, bag)})
    stops = [*bags.starts.tolist()[1:], bags.index.numel()]
    for row, start, stop in zip(bags.owners.tolist(), bags.starts.tolist(), stops, strict=True):
        uses = (bags.index == row).nonzero().tolist()
        assert bags.users[start:stop].tolist() == [i for i, _ in uses]
        assert bags.shares[start:stop].tolist() == [4 * i + s for i, s in uses]


def test_a_row_with_many_users_is_cut_into_chunks():
    bags = Bags.of([(torch.zeros(150, dtype=torch.int64), 2)])
    assert bags.starts.tolist() == [0, CHUNK, 2 * CHUNK]
    assert bags.owners.tolist() == [0, 0, 0]
    weights = torch.rand(150, 1, dtype=torch.float64, requires_grad=True)
    tables = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w, t: mix(w, t, bags), (weights, tables))
