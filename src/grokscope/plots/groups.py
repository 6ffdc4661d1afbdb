"""What figures of many runs share: the color, the words and the place of a group."""

from typing import Any

from grokscope.analyses.outcomes import Group, short, shown
from grokscope.analyses.sweep import Findings
from grokscope.plots.style import SERIES
from grokscope.plots.text import plain

WIDE = {"min_width": 640}
"""Meta of a figure with panels side by side; a page scrolls it where it has less room."""


def color(number: int) -> str:
    """Return the color of a group by its number."""
    return SERIES[number % len(SERIES)]


def label(group: Group) -> str:
    """Return the words of a group in a legend, as text of a figure."""
    return plain(group.label or "all runs")


def group_axis(found: Findings) -> dict[str, Any]:
    """Return a horizontal axis with a place for each group; where one field varies it is named."""
    groups = found.outcomes.groups
    paths = list(groups[0].values)
    words = [label(group).replace(", ", "<br>") for group in groups]
    title = ""
    if len(paths) == 1:
        words = [plain(shown(group.values[paths[0]])) for group in groups]
        title = plain(short(paths[0], paths))
    return {
        "title": {"text": title},
        "tickvals": list(range(len(groups))),
        "ticktext": words,
        "range": [-0.6, len(groups) - 0.4],
        "showgrid": False,
    }
