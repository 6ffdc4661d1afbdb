"""Copying, reversing and parity: accuracy, reward and smoothness of real runs.

Run as `python docs/two_measures.py`; a finished run in runs/two-measures/ is used again. Without
them the training takes some two minutes.
"""

import plotly.graph_objects as go
from figures import PICTURES, ROOT, THEMES, dressed
from plotly.subplots import make_subplots

import grokscope
from grokscope.plots import save
from grokscope.plots.style import TEST, TRAIN, decades, level_axis

RUNS = ROOT / "runs" / "two-measures"
SMOOTH = "input_jacobian_norm"
COLUMNS = {"copy": "copy", "reverse": "reverse", "parity": "parity (40, 3)"}


def main() -> None:
    """Train what is missing, print what the curves say, draw them in light and dark."""
    runs = {name: finished(name) for name in COLUMNS}
    for name, run in runs.items():
        print(name, told(run))
    for scheme, theme in THEMES.items():
        path = PICTURES / f"two_measures_{scheme}.png"
        save(dressed(draw(runs), theme), path, width=900)
        print(path.relative_to(ROOT))


def finished(name: str) -> grokscope.Run:
    """Return a finished run that measured reward and smoothness."""
    if (RUNS / name).exists():
        return grokscope.resume(RUNS / name)
    metrics = f"measure.metrics=[weight_norm, reward, {SMOOTH}]"
    return grokscope.train(name, [metrics, "threads=1"], out=RUNS, name=name)


def told(run: grokscope.Run) -> str:
    """Return when each side reached .99 of reward, and the smoothness there and at the end."""
    history = run.history
    words = []
    for side in ("train", "test"):
        reached = history.filter(history[f"{side}_reward"] >= 0.99)
        step = reached["step"][0] if len(reached) else None
        level = f"{reached[SMOOTH][0]:.3g}" if len(reached) else "-"
        words.append(f"{side} reward >= .99 at {step} (smoothness {level})")
    return ", ".join([*words, f"at the end {history[SMOOTH][-1]:.3g}"])


def draw(runs: dict[str, grokscope.Run]) -> go.Figure:
    """Draw one column a task: accuracy of symbols, reward of whole answers, input Jacobian."""
    figure = make_subplots(
        rows=3,
        cols=len(runs),
        shared_xaxes="columns",
        vertical_spacing=0.05,
        horizontal_spacing=0.06,
        column_titles=list(COLUMNS.values()),
    )
    for column, run in enumerate(runs.values(), start=1):
        history = run.history.filter(run.history["step"] > 0)
        steps = history["step"].to_list()
        for row, kind in ((1, "acc"), (2, "reward")):
            for side, color in (("train", TRAIN), ("test", TEST)):
                figure.add_scatter(
                    x=steps,
                    y=history[f"{side}_{kind}"].to_list(),
                    name=side,
                    legendgroup=side,
                    showlegend=row == column == 1,
                    line={"color": color, "width": 2},
                    row=row,
                    col=column,
                )
            figure.update_yaxes(range=[-0.03, 1.06], row=row, col=column)
        figure.add_scatter(
            x=steps,
            y=history[SMOOTH].to_list(),
            showlegend=False,
            line={"color": "#159570", "width": 2},
            row=3,
            col=column,
        )
        figure.update_xaxes(decades("Step"), row=3, col=column)
        for row in (1, 2):
            figure.update_xaxes(decades(""), row=row, col=column)
        figure.update_yaxes(level_axis("", log=True), row=3, col=column)
    for row, label in enumerate(("Accuracy", "Reward", "‖∂z/∂x‖"), start=1):
        figure.update_yaxes(title_text=label, row=row, col=1)
    return figure.update_layout(height=640, legend_y=1.07, margin={"t": 84, "r": 16})


if __name__ == "__main__":
    main()
