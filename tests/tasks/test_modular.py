import pytest
import torch

from grokscope.errors import ConfigError
from grokscope.tasks.modular import Modular, inverses


def quotient(a, b, p):
    """Return the only x with b·x = a modulo p, found by trying all; None without one."""
    found = [x for x in range(p) if (b * x) % p == a % p]
    return found[0] if len(found) == 1 else None


ORACLES = {
    "add": lambda a, b, p: (a + b) % p,
    "subtract": lambda a, b, p: (a - b) % p,
    "multiply": lambda a, b, p: (a * b) % p,
    "divide": quotient,
}


def rows_of(dataset):
    operands = dataset.operands().tolist()
    return [(a, b, c) for (a, b), c in zip(operands, dataset.targets.tolist(), strict=True)]


def expected_rows(operation, p, *, unordered=False):
    rows = []
    for a in range(p):
        for b in range(a if unordered else 0, p):
            target = ORACLES[operation](a, b, p)
            if target is not None:
                rows.append((a, b, target))
    return rows


@pytest.mark.parametrize("operation", sorted(ORACLES))
@pytest.mark.parametrize("p", [2, 3, 7, 9, 12, 31])
def test_results_are_right_over_all_ordered_pairs(operation, p):
    dataset = Modular(operation=operation, p=p).dataset()
    assert rows_of(dataset) == expected_rows(operation, p)


@pytest.mark.parametrize("operation", ["add", "multiply"])
@pytest.mark.parametrize("p", [2, 7, 12])
def test_results_are_right_over_unordered_pairs(operation, p):
    dataset = Modular(operation=operation, p=p, pairs="unordered").dataset()
    assert rows_of(dataset) == expected_rows(operation, p, unordered=True)
    assert len(dataset) == p * (p + 1) // 2


def test_the_number_of_pairs_is_p_squared():
    assert len(Modular(p=11).dataset()) == 121
    assert len(Modular(p=11, operation="divide").dataset()) == 110
    assert len(Modular(p=12, operation="divide").dataset()) == 12 * 4


def test_division_by_nonzero_and_by_units_agree_for_a_prime():
    units = Modular(p=7, operation="divide").dataset()
    nonzero = Modular(p=7, operation="divide", divisors="nonzero").dataset()
    assert torch.equal(units.inputs, nonzero.inputs)
    assert torch.equal(units.targets, nonzero.targets)


def test_two_operands_and_equals_use_p_plus_one_tokens():
    dataset = Modular(p=5, layout="a b =").dataset()
    assert dataset.signature.vocab_size == 6
    assert dataset.signature.seq_len == 3
    assert dataset.signature.num_classes == 5
    expected = [[a, b, 5] for a in range(5) for b in range(5)]
    assert dataset.inputs.tolist() == expected


def test_an_operation_token_makes_p_plus_two_tokens():
    dataset = Modular(p=5, layout="a op b =").dataset()
    assert dataset.signature.vocab_size == 7
    assert dataset.signature.seq_len == 4
    assert dataset.signature.num_classes == 5
    expected = [[a, 5, b, 6] for a in range(5) for b in range(5)]
    assert dataset.inputs.tolist() == expected
    assert dataset.operands().tolist() == [[a, b] for a in range(5) for b in range(5)]


def test_the_layout_does_not_change_the_targets():
    for operation in ORACLES:
        short = Modular(p=6, operation=operation, layout="a b =").dataset()
        long = Modular(p=6, operation=operation, layout="a op b =").dataset()
        assert torch.equal(short.targets, long.targets)


@pytest.mark.parametrize("p", [2, 7, 12, 30])
def test_inverses_are_inverse_or_minus_one(p):
    for b, inverse in enumerate(inverses(p).tolist()):
        candidates = [x for x in range(p) if (b * x) % p == 1]
        assert inverse == (candidates[0] if candidates else -1)


@pytest.mark.parametrize("operation", ["subtract", "divide"])
def test_unordered_pairs_need_a_commutative_operation(operation):
    with pytest.raises(ConfigError, match=rf"^pairs: unordered .* not {operation}$"):
        Modular(operation=operation, pairs="unordered", p=7)


def test_division_by_every_nonzero_number_needs_a_prime():
    with pytest.raises(ConfigError, match=r"^p: division by 3 does not exist modulo 9.*prime"):
        Modular(operation="divide", divisors="nonzero", p=9)


def test_divisors_matter_to_division_only():
    assert len(Modular(operation="add", divisors="nonzero", p=9).dataset()) == 81
