import pytest

from grokscope.errors import ConfigError
from grokscope.tasks.mixed import Mixed


def expected_rows(operations, p):
    rows = []
    for number, operation in enumerate(operations):
        for a in range(p):
            for b in range(p):
                if operation == "divide":
                    found = [x for x in range(p) if (b * x) % p == a]
                    if len(found) != 1:
                        continue
                    target = found[0]
                else:
                    value = {"add": a + b, "subtract": a - b, "multiply": a * b}[operation]
                    target = value % p
                rows.append(([a, p + number, b, p + len(operations)], target))
    return rows


@pytest.mark.parametrize(
    "operations",
    [("add", "multiply"), ("multiply", "add"), ("add", "subtract", "multiply", "divide")],
)
@pytest.mark.parametrize("p", [2, 7, 9])
def test_each_operation_has_its_token_and_its_results(operations, p):
    dataset = Mixed(operations=operations, p=p).dataset()
    rows = list(zip(dataset.inputs.tolist(), dataset.targets.tolist(), strict=True))
    assert rows == expected_rows(operations, p)
    assert dataset.signature.vocab_size == p + len(operations) + 1
    assert dataset.signature.num_classes == p


def test_the_operation_is_a_factor():
    dataset = Mixed(operations=("add", "subtract", "multiply"), p=3).dataset()
    assert [factor.size for factor in dataset.signature.factors] == [3, 3, 3]
    assert dataset.operands()[:, 2].tolist() == [0] * 9 + [1] * 9 + [2] * 9


@pytest.mark.parametrize("operations", [(), ("add",), ("add", "multiply", "add")])
def test_mixing_needs_two_different_operations(operations):
    with pytest.raises(ConfigError, match=r"^operations: at least two different ones, got"):
        Mixed(operations=operations, p=7)
