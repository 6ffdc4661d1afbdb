"""What heat maps share: one scale of color, legible on light and dark, and steps as columns."""

from typing import Any

import plotly.graph_objects as go

from grokscope.plots.style import FONT, SHARES


def shares(
    x: list[Any], y: list[Any], z: list[list[float]], *, title: str, hover: str
) -> go.Heatmap:
    """Return a heat map of numbers between 0 and 1, one row a list in z."""
    return go.Heatmap(
        x=x,
        y=y,
        z=z,
        zmin=0,
        zmax=1,
        colorscale=SHARES,
        colorbar={"title": {"text": title, "font": {"family": FONT}}, "thickness": 12},
        hovertemplate=hover + "<extra></extra>",
    )
