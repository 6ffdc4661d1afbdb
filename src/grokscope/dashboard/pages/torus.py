"""How smooth what the network computes is on the torus of its operands."""

from collections.abc import Iterator

from grokscope.dashboard.look import Look
from grokscope.dashboard.pages.base import page
from grokscope.dashboard.panels import Panel
from grokscope.dashboard.quantities import metrics


@page(
    label="Torus",
    order=90,
    empty="Nothing on the torus is known. Run: grokscope analyze laplacian_spectrum RUN",
)
def torus(look: Look) -> Iterator[Panel]:
    """How smooth what the network computes is on the torus of its operands."""
    yield from metrics(look, "Torus")
    yield from look.plots("torus_energy")
