"""Copying, reversing and parity: accuracy, reward and smoothness of real runs.

Run as `python docs/sequences.py`; a finished run in runs/sequences/ is used again. Without them the
training takes some two minutes.
"""

import plotly.graph_objects as go
from figures import PICTURES, ROOT, THEMES, dressed
from plotly.subplots import make_subplots

import grokscope
from grokscope.plots import save
from grokscope.plots.style import SERIES, TEST, TRAIN

RUNS = ROOT / "runs" / "sequences"
SMOOTH = "input_jacobian_norm"
COLUMNS = {"copy": "Copy", "reverse": "Reverse", "parity": "Parity of 3 of 40 bits"}
ROWS = ("Accuracy", "Reward", "‖∂z/∂x‖")
SIDES = {"train": TRAIN, "test": TEST}
HIGH = 0.99
"""Reward from which on a side counts as learned, here and in the picture."""
SPREAD = {"copy": (200, 1000), "reverse": (200, 1000), "parity": (3000, 7000)}
"""Checkpoints between which the smoothness of each task moves after memorization."""
TICKS = [digit * 10.0**decade for decade in range(-1, 5) for digit in (1, 2, 5)]


def main() -> None:
    """Train what is missing, print what the curves say, draw them in light and dark."""
    runs = {name: finished(name) for name in COLUMNS}
    print(table(runs))
    for name, steps in SPREAD.items():
        told = ", ".join(f"{spread(runs[name], step):.2f} at {step:,}" for step in steps)
        print(f"{name}: standard deviation of the logits on train {told}")
    for scheme, theme in THEMES.items():
        path = PICTURES / f"sequences_{scheme}.png"
        save(dressed(draw(runs), theme), path, width=760)
        print(path.relative_to(ROOT))


def finished(name: str) -> grokscope.Run:
    """Return a finished run that measured reward and smoothness, on one thread."""
    if not (RUNS / name).exists():
        metrics = f"measure.metrics=[weight_norm, reward, {SMOOTH}]"
        return grokscope.train(name, [metrics, "threads=1"], out=RUNS, name=name)
    run = grokscope.open(RUNS / name)
    return run if run.status["state"] == "finished" else grokscope.resume(run)


def table(runs: dict[str, grokscope.Run]) -> str:
    """Return as Markdown when each side is learned, in symbols and whole, and how smooth z is."""
    rows = [
        "| recipe | accuracy of .99, train, test | reward of .99, train, test | "
        "‖∂z/∂x‖ at these two, at its peak, at the end |",
        "|---|---:|---:|---:|",
    ]
    for name, run in runs.items():
        steps = [
            f"{reached(run, f'train_{kind}'):,}, {reached(run, f'test_{kind}'):,}"
            for kind in ("acc", "reward")
        ]
        levels = dict(zip(run.history["step"], run.history[SMOOTH], strict=True))
        at = [levels[reached(run, f"{side}_reward")] for side in SIDES]
        told = [f"{x:.3g}" for x in (*at, max(levels.values()), run.last[SMOOTH])]
        rows.append(f"| `{name}` | {' | '.join([*steps, ', '.join(told)])} |")
    return "\n".join(rows)


def spread(run: grokscope.Run, step: int) -> float:
    """Return the standard deviation of the logits on train, by whose growth z is less smooth."""
    return float(run.snapshot(step=step).train_logits.std())


def reached(run: grokscope.Run, column: str) -> int:
    """Return the first step at which a share of right answers is high."""
    return int(run.history.filter(run.history[column] >= HIGH)["step"][0])


def draw(runs: dict[str, grokscope.Run]) -> go.Figure:
    """Draw a column a task: accuracy of symbols, reward of whole answers, input Jacobian.

    Dotted lines stand where the reward of a side is high.
    """
    figure = make_subplots(
        rows=len(ROWS),
        cols=len(runs),
        shared_xaxes="columns",
        vertical_spacing=0.05,
        horizontal_spacing=0.07,
        column_titles=list(COLUMNS.values()),
    )
    for column, run in enumerate(runs.values(), start=1):
        history = run.history.filter(run.history["step"] > 0)
        steps = history["step"].to_list()
        curves = [
            (row, side, f"{side}_{kind}", color)
            for row, kind in ((1, "acc"), (2, "reward"))
            for side, color in SIDES.items()
        ]
        for row, label, name, color in (*curves, (3, "‖∂z/∂x‖, train", SMOOTH, SERIES[2])):
            figure.add_scatter(
                x=steps,
                y=history[name].to_list(),
                name=label,
                legendgroup=label,
                showlegend=column == 1 and row != 2,
                line={"color": color, "width": 2},
                row=row,
                col=column,
            )
        for side in SIDES:
            at = reached(run, f"{side}_reward")
            figure.add_vline(at, line={"width": 1, "dash": "dot"}, row="all", col=column)
        figure.update_xaxes(type="log", tickvals=TICKS, tickformat=",", tickangle=0, col=column)
        figure.update_xaxes(title_text="Step", row=len(ROWS), col=column)
        for row in (1, 2):
            figure.update_yaxes(range=[-0.03, 1.06], row=row, col=column)
        figure.update_yaxes(type="log", tickvals=[*TICKS, 0.7, 0.8, 0.9], row=3, col=column)
    for row, label in enumerate(ROWS, start=1):
        figure.update_yaxes(title_text=label, row=row, col=1)
    return figure.update_layout(height=640, legend_y=1.07, margin={"t": 84, "r": 16})


if __name__ == "__main__":
    main()
