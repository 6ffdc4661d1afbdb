"""One unit over all pairs, as a surface and a map, and what its diagonals are made of."""

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokscope.plots.base import analyzed, plot
from grokscope.plots.groups import WIDE
from grokscope.plots.style import FONT, LIGHT, SERIES, SHARES, template
from grokscope.plots.text import plain
from grokscope.store import Run


@plot(
    label="Activation surface",
    order=26,
    caption="The activation of one unit for every pair of operands, as a surface and as a map. "
    "Below, the shares of frequencies in its means along a + b and along a - b. A unit that takes "
    "part in adding is a wave of one frequency in both operands. From the analysis "
    "activation_surface.",
    applies=analyzed("activation_surface"),
)
def activation_waves(run: Run) -> go.Figure:
    """Draw a unit's surface and map above the spectra of its two diagonals."""
    found = run.results().get("activation_surface")
    figure = make_subplots(
        2,
        2,
        specs=[[{"type": "scene"}, {"type": "xy"}], [{"type": "xy"}, {"type": "xy"}]],
        row_heights=[0.64, 0.36],
        vertical_spacing=0.12,
        horizontal_spacing=0.12,
        subplot_titles=_titles({} if found is None else found.scalars),
    )
    figure.update_layout(template=template(LIGHT), height=760, hovermode="closest", margin_t=40)
    figure.update_layout(meta=WIDE).update_annotations(font_size=13)
    if found is None:
        return figure
    surface = found.arrays["surface"]
    residues = list(range(len(surface)))
    shared = {"x": residues, "y": residues, "z": surface.tolist(), "colorscale": SHARES}
    hover = "a %{y}, b %{x}<br>activation %{z:.3f}<extra></extra>"
    figure.add_trace(go.Surface(**shared, showscale=False, hovertemplate=hover), row=1, col=1)
    bar = {
        "title": {"text": "activation", "font": {"family": FONT}},
        "thickness": 12,
        "len": 0.6,
        "y": 1,
        "yanchor": "top",
    }
    figure.add_trace(go.Heatmap(**shared, colorbar=bar, hovertemplate=hover), row=1, col=2)
    for col, kind in ((1, "sum"), (2, "difference")):
        spectrum = found.arrays[f"{kind}_spectrum"]
        figure.add_trace(
            go.Bar(
                x=list(range(1, len(spectrum) + 1)),
                y=[float(v) if v == v else 0.0 for v in spectrum],  # noqa: PLR0124 - NaN
                marker_color=SERIES[0],
                showlegend=False,
                hovertemplate="k %{x}<br>share %{y:.3f}<extra></extra>",
            ),
            row=2,
            col=col,
        )
        figure.update_xaxes(title_text="Frequency k", row=2, col=col)
        figure.update_yaxes(title_text="Share", range=[0, 1.03], row=2, col=col)
    figure.update_xaxes(title_text="b", showgrid=False, constrain="domain", row=1, col=2)
    figure.update_yaxes(
        title_text="a", showgrid=False, scaleanchor="x", constrain="domain", row=1, col=2
    )
    axis = {"gridcolor": LIGHT.grid, "backgroundcolor": "rgba(0,0,0,0)", "color": LIGHT.muted}
    figure.update_scenes(
        xaxis={"title": {"text": "b"}, **axis},
        yaxis={"title": {"text": "a"}, **axis},
        zaxis={"title": {"text": ""}, **axis},
        camera={"eye": {"x": 1.75, "y": -1.75, "z": 1.2}},
    )
    return figure


def _titles(scalars: dict[str, object]) -> list[str]:
    """Return what stands above each panel."""
    if not scalars:
        return ["", "", "Along a + b", "Along a - b"]
    unit = f"{plain(scalars['probe'])}, unit {scalars['unit']}, step {scalars['step']:,}"
    of_one = f"{scalars['share']:.0%} of it frequency {plain(scalars['frequency'])}"
    return [unit, of_one, *(_diagonal(scalars, *each) for each in _DIAGONALS)]


_DIAGONALS = (("a + b", "sum"), ("a - b", "difference"))


def _diagonal(scalars: dict[str, object], label: str, kind: str) -> str:
    part = f"{scalars[f'{kind}_variation']:.0%} of the variance"
    return f"Along {label}: strength {scalars[f'{kind}_strength']:.2f}, {part}"
