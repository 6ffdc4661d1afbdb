import pytest
import torch

from grokscope.errors import ConfigError
from grokscope.tasks.polynomial import EXPRESSIONS, Polynomial

ORACLES = {
    "a^2+b^2": lambda a, b: a**2 + b**2,
    "a^2+ab+b^2": lambda a, b: a**2 + a * b + b**2,
    "a^3+ab": lambda a, b: a**3 + a * b,
    "a^3+ab^2+b": lambda a, b: a**3 + a * b**2 + b,
}
SYMMETRIC = ["a^2+b^2", "a^2+ab+b^2"]


def rows_of(dataset):
    operands = dataset.operands().tolist()
    return [(a, b, c) for (a, b), c in zip(operands, dataset.targets.tolist(), strict=True)]


def test_every_expression_has_an_oracle_here():
    assert set(EXPRESSIONS) == set(ORACLES)


@pytest.mark.parametrize("expression", sorted(EXPRESSIONS))
@pytest.mark.parametrize("p", [2, 7, 12])
@pytest.mark.parametrize("layout", ["a b =", "a op b ="])
def test_values_are_right_over_all_ordered_pairs(expression, p, layout):
    dataset = Polynomial(expression=expression, p=p, layout=layout).dataset()
    value = ORACLES[expression]
    assert rows_of(dataset) == [(a, b, value(a, b) % p) for a in range(p) for b in range(p)]
    assert dataset.signature.vocab_size == (p + 1 if layout == "a b =" else p + 2)


@pytest.mark.parametrize("expression", SYMMETRIC)
def test_values_are_right_over_unordered_pairs(expression):
    p = 7
    dataset = Polynomial(expression=expression, p=p, pairs="unordered").dataset()
    value = ORACLES[expression]
    assert rows_of(dataset) == [(a, b, value(a, b) % p) for a in range(p) for b in range(a, p)]


def test_the_largest_modulus_does_not_overflow():
    largest = EXPRESSIONS["a^3+ab^2+b"]
    p = 4096
    pairs = [(p - 1, p - 1), (p - 1, 0), (1, p - 1)]
    a, b = torch.tensor(pairs).unbind(1)
    expected = [ORACLES["a^3+ab^2+b"](x, y) for x, y in pairs]
    assert largest(a, b).tolist() == expected


@pytest.mark.parametrize("expression", sorted(set(ORACLES) - set(SYMMETRIC)))
def test_unordered_pairs_need_a_symmetric_polynomial(expression):
    with pytest.raises(ConfigError, match=r"^pairs: unordered needs a symmetric polynomial"):
        Polynomial(expression=expression, pairs="unordered", p=7)
