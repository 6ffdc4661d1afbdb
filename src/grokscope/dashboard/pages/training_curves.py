"""Accuracy, loss and reward on train and test, with phases and milestones."""

from collections.abc import Iterator

from grokscope.dashboard.look import Look
from grokscope.dashboard.pages.base import page
from grokscope.dashboard.panels import Panel
from grokscope.dashboard.quantities import metrics, training


@page(
    label="Training Curves",
    order=10,
    empty="Nothing was measured yet.",
)
def training_curves(look: Look) -> Iterator[Panel]:
    """Accuracy, loss and reward on train and test, with phases and milestones."""
    yield from training(look)
    yield from metrics(look, "Training Curves")
