import pytest
import torch

from grokscope.ops.mixing import Bags
from grokscope.ops.prefixes import Rows
from grokscope.ops.residual import Constant, Mixed, Product, Shared, Stream

M, D, HEADS, K = 30, 6, 2, 3


def normal(*shape, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def shared():
    index = torch.arange(M) % 4
    return Shared(Rows(normal(4, D, seed=1), index)), normal(4, D, seed=1)[index]


def mixed():
    index = torch.arange(M) % 5
    bags = Bags.of([(index, 5), (torch.zeros_like(index), 1)], HEADS)
    pattern = normal(M, 2 * HEADS, seed=2)
    values, output = normal(6, HEADS, K, seed=3), normal(D, HEADS * K, seed=4)
    expected = torch.zeros(M, D, dtype=torch.float64)
    for i in range(M):
        for j, row in enumerate((int(index[i]), 5)):
            for h in range(HEADS):
                part = output[:, h * K : (h + 1) * K] @ values[row, h]
                expected[i] += pattern[i, j * HEADS + h] * part
    return Mixed(pattern, values, output, bags), expected


def product(k):
    hidden, weight, bias = normal(M, k, seed=5), normal(D, k, seed=6), normal(D, seed=7)
    return Product(hidden, weight, bias), hidden @ weight.T + bias


def constant():
    vector = normal(D, seed=8)
    return Constant(vector), vector.expand(M, D)


TERMS = {
    "shared": shared,
    "mixed": mixed,
    "narrow product": lambda: product(2),
    "wide product": lambda: product(40),
    "constant": constant,
}


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("out", [1, D, 50])
def test_a_term_and_its_images_are_those_of_its_rows(name, out):
    term, expected = TERMS[name]()
    weight = normal(out, D, seed=9)
    torch.testing.assert_close(term.dense().expand(M, D), expected)
    torch.testing.assert_close(term.through(weight).expand(M, out), expected @ weight.T)


def test_a_stream_is_the_sum_of_its_terms():
    pairs = [make() for make in TERMS.values()]
    stream = Stream.of(pairs[0][0].rows).plus(*(term for term, _ in pairs[1:]))
    expected = sum(rows for _, rows in pairs)
    weight, bias = normal(3, D, seed=10), normal(3, seed=11)
    torch.testing.assert_close(stream.dense(), expected)
    torch.testing.assert_close(stream.rows().expand(), expected)
    torch.testing.assert_close(stream.through(weight, bias), expected @ weight.T + bias)


def test_a_stream_of_shared_rows_alone_stays_shared():
    term, _ = shared()
    assert Stream.of(term.rows).rows() is term.rows
    assert Stream.of(term.rows).plus(constant()[0]).rows().index is None
