"""Activations of units over all pairs of operands."""

from collections.abc import Iterator

from grokscope.dashboard.look import Look
from grokscope.dashboard.pages.base import page
from grokscope.dashboard.panels import Panel


@page(
    label="Activation Surfaces",
    order=70,
    empty="No surface is stored. Run: grokscope analyze activation_surface RUN",
)
def activation_surfaces(look: Look) -> Iterator[Panel]:
    """Activations of units over all pairs of operands."""
    yield from look.plots("activation_waves")
