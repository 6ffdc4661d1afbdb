import pytest
import torch

from grokscope.objectives.mse import MSE

LOGITS = torch.tensor([[0.5, 2.0, -1.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
TARGETS = torch.tensor([1, 2])


@pytest.mark.parametrize(("over", "expected"), [("sum", [2.25, 0.0]), ("mean", [0.75, 0.0])])
def test_squares_are_taken_against_the_one_hot_answer(over, expected):
    found = MSE(over_classes=over).per_example(LOGITS, TARGETS).tolist()
    assert found == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("over", ["sum", "mean"])
def test_real_targets_are_compared_as_they_are(over):
    logits = torch.tensor([[0.5], [-2.0]], dtype=torch.float64)
    targets = torch.tensor([1.0, 1.0], dtype=torch.float64)
    found = MSE(over_classes=over).per_example(logits, targets).tolist()
    assert found == pytest.approx([0.25, 9.0], rel=1e-14)
