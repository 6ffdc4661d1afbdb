"""All chosen runs together, in groups alike in all but the seed."""

from collections.abc import Iterator

from grokscope.dashboard.look import Look
from grokscope.dashboard.pages.base import page
from grokscope.dashboard.panels import Panel


@page(
    label="Sweep",
    order=100,
    empty="A sweep needs runs.",
)
def sweep(look: Look) -> Iterator[Panel]:
    """All chosen runs together, in groups alike in all but the seed."""
    yield from look.sweep_plots(
        "sweep_panel",
        "grokking_times",
        "survival_curves",
        "time_over_number",
        "sweep_heat_map",
        "accuracy_against_depth",
    )
