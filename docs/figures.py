"""Draw the pictures of the documentation from real runs, and replay its tutorial: `make figures`.

A finished run in runs/figures/ is used again, so a second call takes seconds. Images need a Chrome
or Chromium; kaleido finds the one on the PATH, or the one that BROWSER_PATH names.
"""

import json
from pathlib import Path

import plotly.graph_objects as go
import polars as pl
import replay
from plotly.subplots import make_subplots

import grokscope
from grokscope.plots import PLOTS, save
from grokscope.plots.style import DARK, LIGHT, SERIES, decades, dressed, level_axis

ROOT = Path(__file__).parent.parent
RUNS = ROOT / "runs" / "figures"
PICTURES = ROOT / "docs" / "figures"
THEMES = {"light": LIGHT, "dark": DARK}
DECAYS = (1.0, 0.1, 0.0)


def main() -> None:
    """Train what is missing, then draw every picture in light and dark."""
    PICTURES.mkdir(exist_ok=True)
    # 1,800 steps beyond grokking, so that the picture shows what comes after.
    demo = finished("demo", "demo", steps=5000)
    decays = {
        decay: finished(f"decay-{decay:g}", "quick", f"optimizer.weight_decay={decay}")
        for decay in DECAYS
    }
    for scheme, theme in THEMES.items():
        figures = {"training_curves": PLOTS["training_curves"].function(demo)}
        figures["measured_quantities"] = PLOTS["measured_quantities"].function(demo)
        figures["measured_quantities"].update_layout(margin_t=24)
        figures["weight_decay"] = weight_decay(decays)
        figures["benchmark"] = benchmark()
        for name, figure in figures.items():
            path = PICTURES / f"{name}_{scheme}.png"
            save(dressed(figure, theme), path, width=760)
            print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1000:.0f} kB")
    replay.main()


def finished(name: str, recipe: str, *overrides: str, steps: int = 0) -> grokscope.Run:
    """Return a finished run of at least `steps` steps, on one thread so that its numbers stay."""
    path = RUNS / name
    if not path.exists():
        run = grokscope.train(recipe, [*overrides, "threads=1"], out=RUNS, name=name)
    else:
        run = grokscope.open(path)
        run = run if run.status["state"] == "finished" else grokscope.resume(run)
    return run if run.status["step"] >= steps else grokscope.resume(run, [f"steps={steps}"])


def weight_decay(runs: dict[float, grokscope.Run]) -> go.Figure:
    """Draw test accuracy against the step for several weight decays."""
    figure = go.Figure()
    for color, (decay, run) in zip(SERIES, runs.items(), strict=False):
        history = run.history.filter(pl.col("step") > 0)
        figure.add_scatter(
            x=history["step"].to_list(),
            y=history["test_acc"].to_list(),
            name=f"weight decay {decay:g}",
            line={"color": color, "width": 2},
        )
    figure.update_xaxes(decades())
    figure.update_yaxes(level_axis("Test accuracy", log=False) | {"range": [-0.03, 1.06]})
    return figure.update_layout(height=340)


def benchmark() -> go.Figure:
    """Draw the newest stored benchmark: ratios by case, and milliseconds a step against p."""
    stored = json.loads(max((ROOT / "benchmarks" / "results").glob("2*.json")).read_bytes())
    scaling = [case for name, case in stored["cases"].items() if name.startswith("f")]
    single = [case for name, case in stored["cases"].items() if not name.startswith("f")]
    titles = ("Times faster than plain", "Milliseconds a step against p")
    figure = make_subplots(1, 2, subplot_titles=titles, horizontal_spacing=0.16)
    figure.update_annotations(font_size=13)
    ratios = [case["ratio"] for case in single]
    figure.add_bar(
        y=[case["label"].replace(", p = 97, 40 %", "") for case in single],
        x=ratios,
        orientation="h",
        text=[f"  {ratio:.1f}" for ratio in ratios],
        textposition="outside",
        cliponaxis=False,
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [case["ratio_quartiles"][1] - case["ratio"] for case in single],
            "arrayminus": [case["ratio"] - case["ratio_quartiles"][0] for case in single],
            "thickness": 1,
        },
        marker_color=SERIES[0],
        showlegend=False,
    )
    for color, side, label, position, at in (
        (SERIES[1], "plain", "plain", "top left", 113),
        (SERIES[0], "fast", "grokscope", "bottom right", 59),
    ):
        told = f"{label}, p<sup>{stored['exponent'][side]:.2f}</sup>"
        figure.add_scatter(
            x=[case["p"] for case in scaling],
            y=[case[f"{side}_ms"] for case in scaling],
            mode="lines+markers+text",
            text=[told if case["p"] == at else "" for case in scaling],
            textposition=position,
            textfont_color=color,
            cliponaxis=False,
            line={"color": color, "width": 2},
            showlegend=False,
            row=1,
            col=2,
        )
    figure.update_yaxes(autorange="reversed", row=1, col=1)
    figure.update_xaxes(range=[0, 1.2 * max(ratios)], row=1, col=1)
    ticks = [case["p"] for case in scaling]
    figure.update_xaxes(type="log", tickvals=ticks, title="p", row=1, col=2)
    decade = {"type": "log", "tickvals": [1, 10, 100, 1000], "title": "ms"}
    figure.update_yaxes(**decade, row=1, col=2)
    figure.update_layout(height=360, margin={"t": 48, "r": 24})
    return figure


if __name__ == "__main__":
    main()
