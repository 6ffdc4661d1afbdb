"""Norms, sparsity and size of the network, and norm minimization."""

from collections.abc import Iterator

from grokscope.dashboard.look import Look
from grokscope.dashboard.pages.base import page
from grokscope.dashboard.panels import Panel
from grokscope.dashboard.quantities import metrics


@page(
    label="Model Properties",
    order=30,
    empty="No property was measured. Train with measure.metrics=[weight_norm,parameter_sparsity].",
)
def model_properties(look: Look) -> Iterator[Panel]:
    """Norms, sparsity and size of the network, and norm minimization."""
    yield from metrics(look, "Model Properties", "Norm Minimization")
