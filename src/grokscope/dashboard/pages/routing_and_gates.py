"""Which heads and layers the network uses."""

from collections.abc import Iterator

from grokscope.dashboard.look import Look
from grokscope.dashboard.pages.base import page
from grokscope.dashboard.panels import Panel
from grokscope.dashboard.quantities import metrics


@page(
    label="Routing and Gates",
    order=80,
    empty="This network neither routes nor gates; models that do: routed, gated.",
)
def routing_and_gates(look: Look) -> Iterator[Panel]:
    """Which heads and layers the network uses."""
    yield from metrics(look, "Routing and Gates")
    yield from look.plots(
        "gate_evolution", "depth_over_accuracy", "head_utilization", "dominant_heads"
    )
