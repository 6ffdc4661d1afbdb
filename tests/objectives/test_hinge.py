import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grokscope.objectives.hinge import Hinge


@given(st.integers(0, 10**6), st.integers(2, 9), st.sampled_from([0.1, 1.0, 7.5]))
@settings(max_examples=50, deadline=None)
def test_hinge_is_the_multi_margin_loss_of_torch(seed, classes, margin):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(6, classes, generator=generator, dtype=torch.float64)
    targets = torch.randint(classes, (6,), generator=generator)
    expected = torch.nn.functional.multi_margin_loss(
        logits, targets, margin=margin, reduction="none"
    )
    assert torch.allclose(Hinge(margin=margin).per_example(logits, targets), expected, atol=1e-12)


def test_nothing_is_lost_beyond_the_margin():
    logits = torch.tensor([[2.0, 0.9, -5.0]], dtype=torch.float64)
    assert Hinge(margin=1.0).per_example(logits, torch.tensor([0])).item() == pytest.approx(0.0)
    expected = 0.4 / 3
    found = Hinge(margin=1.5).per_example(logits, torch.tensor([0])).item()
    assert found == pytest.approx(expected, rel=1e-12)
