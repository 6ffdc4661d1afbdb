"""How steep and how curved the loss is around the network."""

from collections.abc import Iterator

from grokscope.dashboard.look import Look
from grokscope.dashboard.pages.base import page
from grokscope.dashboard.panels import Panel
from grokscope.dashboard.quantities import metrics


@page(
    label="Loss Landscape",
    order=20,
    empty="No curvature was measured. Train with measure.metrics=[weight_hessian_trace].",
)
def loss_landscape(look: Look) -> Iterator[Panel]:
    """How steep and how curved the loss is around the network."""
    yield from metrics(look, "Loss Landscape", "Curvature")
