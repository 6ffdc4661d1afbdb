"""Eigenvalues of the Hessian through training."""

from collections.abc import Iterator

from grokscope.dashboard.look import Look
from grokscope.dashboard.pages.base import page
from grokscope.dashboard.panels import Panel


@page(
    label="Spectra",
    order=60,
    empty="No spectrum is stored. Run: grokscope analyze hessian_spectrum RUN",
)
def spectra(look: Look) -> Iterator[Panel]:
    """Eigenvalues of the Hessian through training."""
    yield from look.plots(
        "hessian_summary",
        "spectrum_evolution",
        "eigenvalue_histogram",
        "spectral_density",
        "dendrogram_snapshots",
        "dendrogram_animation",
        "cluster_counts",
        "gap_bar_code",
        "cluster_heat_map",
    )
