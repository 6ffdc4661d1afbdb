"""Waves of the circuit in embedding, units and logits, and losses without them."""

from collections.abc import Iterator

from grokscope.dashboard.look import Look
from grokscope.dashboard.pages.base import page
from grokscope.dashboard.panels import Panel
from grokscope.dashboard.quantities import metrics


@page(
    label="Fourier",
    order=50,
    empty="Nothing of the Fourier basis is known. Run: grokscope analyze fourier_circuit RUN",
)
def fourier(look: Look) -> Iterator[Panel]:
    """Waves of the circuit in embedding, units and logits, and losses without them."""
    yield from metrics(look, "Fourier", "Groups")
    yield from look.plots(
        "circuit_losses",
        "frequency_ablation",
        "unit_frequencies",
        "embedding_waves_map",
        "logit_waves_map",
    )
