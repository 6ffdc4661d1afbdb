"""Gradients, steps, decay, and where softmax collapses: what the optimizer does."""

from collections.abc import Iterator

from grokscope.dashboard.look import Look
from grokscope.dashboard.pages.base import page
from grokscope.dashboard.panels import Panel
from grokscope.dashboard.quantities import metrics


@page(
    label="Optimizer Dynamics",
    order=40,
    empty="Nothing of the optimizer was measured. Train with measure.metrics=[gradient_norm].",
)
def optimizer_dynamics(look: Look) -> Iterator[Panel]:
    """Gradients, steps, decay, and where softmax collapses: what the optimizer does."""
    yield from metrics(look, "Optimizer Dynamics")
