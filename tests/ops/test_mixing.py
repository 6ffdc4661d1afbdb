import pytest
import torch
from torch.func import grad, jvp, vmap

from grokscope.ops.mixing import Bags, mix, mix_plainly

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
    offset = torch.randn(*runs, out, generator=generator, dtype=torch.float64)
    return weights, tables, offset


def by_hand(weights, tables, offset, sources):
    """Return the mixtures by three nested loops."""
    result = offset.repeat(RESULTS, 1)
    for i in range(RESULTS):
        start = 0
        for j, (index, k) in enumerate(sources):
            for h in range(HEADS):
                row = h * sum(ROWS) + start + int(index[i])
                result[i] += weights[i, j * HEADS + h] * tables[row]
            start += k
    return result


def fast(bags, rectify):
    return lambda w, t, o: mix(w, t, bags, o, rectify=rectify)


def slow(bags, rectify):
    return lambda w, t, o: mix_plainly(w, t, bags.index, o, rectify=rectify)


both = pytest.mark.parametrize("rectify", [False, True], ids=["linear", "rectified"])


@both
@pytest.mark.parametrize("function", [fast, slow])
def test_a_mixture_is_the_weighted_sum_of_its_rows(bags, function, rectify):
    found = function(bags[0], rectify)(*given())
    expected = by_hand(*given(), bags[1])
    expected = expected.clamp(min=0) if rectify else expected
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)


@both
def test_first_and_second_derivatives_are_those_of_the_formula(bags, rectify):
    inputs = [x.requires_grad_() for x in given()]
    assert torch.autograd.gradcheck(fast(bags[0], rectify), inputs)
    small = [x.requires_grad_() for x in given(out=2)]
    assert torch.autograd.gradgradcheck(lambda *x: fast(bags[0], rectify)(*x) ** 2, small)


@both
def test_forward_and_mapped_derivatives_equal_those_of_the_twin(bags, rectify):
    def products(function, *x):
        def gradient(*inputs):
            cubes = grad(lambda *y: (function(bags[0], rectify)(*y) ** 3).sum(), argnums=(0, 1, 2))
            return cubes(*inputs)

        return jvp(gradient, x[:3], x[3:])[1]

    inputs = (*given(2, runs=(3,)), *given(3, runs=(3,)))
    found = vmap(lambda *x: products(fast, *x))(*inputs)
    expected = vmap(lambda *x: products(slow, *x))(*inputs)
    alone = products(fast, *(x[1] for x in inputs))
    for here, there, one in zip(found, expected, alone, strict=True):
        torch.testing.assert_close(here, there, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(one, there[1], rtol=1e-10, atol=1e-10)


@both
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_values_and_gradients_agree_with_the_twin(bags, rectify, dtype, tolerance):
    def everything(function, dtype):
        inputs = [x.to(dtype).requires_grad_() for x in given(out=67)]
        mixed = function(bags[0], rectify)(*inputs)
        return mixed, *torch.autograd.grad((mixed**2).sum(), inputs)

    found, expected = everything(fast, dtype), everything(slow, torch.float64)
    for here, there in zip(found, expected, strict=True):
        assert (here - there).norm() <= tolerance * there.norm()


def test_a_mixture_that_is_not_a_number_stays_so(bags):
    weights, tables, offset = given()
    tables[0] = torch.nan
    rows = (bags[0].index == 0).any(1)
    mixed = mix(weights, tables, bags[0], offset, rectify=True)
    assert torch.isnan(mixed[rows]).all()
    assert torch.isfinite(mixed[~rows]).all()


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_the_gradient_of_one_input_alone_is_the_same(bags, kept):
    inputs = [x.requires_grad_() for x in given()]
    every = torch.autograd.grad((mix(*inputs[:2], bags[0], inputs[2]) ** 2).sum(), inputs)
    alone = [x if i == kept else x.detach() for i, x in enumerate(inputs)]
    (found,) = torch.autograd.grad((mix(*alone[:2], bags[0], alone[2]) ** 2).sum(), inputs[kept])
    assert torch.equal(found, every[kept])


def test_bags_know_every_use_from_both_sides():
    first, second = torch.tensor([2, 0, 2]), torch.tensor([1, 1, 0])
    bags = Bags.of([(first, 3), (second, 2)], heads=2)
    expected = [
        [5 * h + r for r in (a, 3 + b) for h in (0, 1)] for a, b in zip(first, second, strict=True)
    ]
    assert bags.index.tolist() == [[int(x) for x in row] for row in expected]
    starts = bags.starts.tolist()
    assert bags.rows.tolist() == [0, 5, 1, 6, 2, 7, 3, 8, 4, 9]
    for row, start, stop in zip(bags.rows.tolist(), starts, starts[1:], strict=False):
        uses = (bags.index == row).nonzero().tolist()
        assert bags.users[start:stop].tolist() == [i for i, _ in uses]
        assert bags.shares[start:stop].tolist() == [4 * i + s for i, s in uses]


def test_a_part_mixes_the_same_tables(bags):
    weights, tables, offset = given()
    rows = slice(10, 25)
    part = mix(weights[rows], tables, bags[0].part(rows), offset)
    assert torch.equal(part, mix(weights, tables, bags[0], offset)[rows])
