"""Draw the pictures of docs/exact.md from real computations: `python docs/exact.py`, seconds.

Each picture is a small SVG in a light and a dark version, written here, so no browser is needed.
The simulated run of the first picture is kept in runs/figures/ and used again.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import grokscope
from grokscope.ops import parallelograms as theory
from grokscope.ops.solvable import RidgeFlow, ridge_errors_at_scale, two_weights
from grokscope.plots.style import DARK, LIGHT, SERIES, Theme

ROOT = Path(__file__).parent.parent
RUNS = ROOT / "runs" / "figures"
PICTURES = ROOT / "docs" / "figures"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 300, 58, 24, 40, 46


@dataclass(frozen=True)
class Curve:
    """A line of a picture; points: drawn as dots instead."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    points: bool = False


def main() -> None:
    """Compute and draw every picture."""
    PICTURES.mkdir(exist_ok=True)
    pictures = {
        "exact_flow": picture("Step", "Test accuracy and norm / norm at step 100", flow()),
        "exact_two_weights": picture("Time", "Weight", two(), log_x=True),
        "exact_ridge": picture("Time", "Error", ridge(), log_x=True, log_y=True),
        "exact_representations": picture("Training fraction", "Probability", lines()),
    }
    for name, draw in pictures.items():
        for scheme, theme in (("light", LIGHT), ("dark", DARK)):
            (PICTURES / f"{name}_{scheme}.svg").write_text(draw(theme), encoding="utf-8")
        print(f"docs/figures/{name}")


def flow() -> list[Curve]:
    """Return test accuracy and norm of a run of norm minimization, at p = 17."""
    path = RUNS / "norm-minimization-17"
    run = (
        grokscope.open(path)
        if path.exists()
        else grokscope.train("norm-minimization-17", out=RUNS, name=path.name)
    )
    history = run.history
    history = history.filter(history["step"] >= 100)
    steps, norms = history["step"].to_list(), history["weight_norm"].to_list()
    return [
        Curve("test accuracy", steps, history["test_acc"].to_list()),
        Curve("weight norm", steps, [norm / norms[0] for norm in norms]),
    ]


def two() -> list[Curve]:
    """Return the two weights of the toy under weak decay."""
    times = np.logspace(-2, 3, 200)
    found = two_weights(torch.from_numpy(times), 0.01)
    return [Curve("w₁", times, found[:, 0].tolist()), Curve("w₂", times, found[:, 1].tolist())]


def ridge() -> list[Curve]:
    """Return the errors of one problem of 200 weights, solved, and those of infinitely many."""
    generator = np.random.default_rng(0)
    d, n, decay = 200, 250, 1e-3
    x = torch.from_numpy(generator.normal(size=(n, d)))
    teacher, start = (torch.from_numpy(generator.normal(size=d) / math.sqrt(d)) for _ in range(2))
    one = RidgeFlow(inputs=x, targets=x @ teacher, start=start, ridge=decay)
    times = torch.logspace(-1, 3.5, 120, dtype=torch.float64)
    few = times[::10]
    train, test = ridge_errors_at_scale(times, ratio=d / n, ridge=decay)
    return [
        Curve("train", times.tolist(), train.tolist()),
        Curve("test", times.tolist(), test.tolist()),
        Curve("200 weights", few.tolist(), one.train_error(few).tolist(), points=True),
        Curve("", few.tolist(), one.test_error(few, teacher=teacher).tolist(), points=True),
    ]


def lines() -> list[Curve]:
    """Return how often random training sets of 10 and 16 symbols leave only a line free."""
    fractions = [round(0.05 * k, 2) for k in range(2, 21)]
    return [
        Curve(f"p = {p}", fractions, theory.line_probability(p, fractions, trials=200))
        for p in (10, 16)
    ]


def picture(x_title: str, y_title: str, curves: list[Curve], *, log_x=False, log_y=False):
    """Return a function of a theme that draws curves in a frame with axes and a legend."""
    xs = [v for curve in curves for v in curve.x]
    ys = [max(v, 1e-12) if log_y else v for curve in curves for v in curve.y]
    across = axis(min(xs), max(xs), log=log_x, start=LEFT, stop=WIDTH - RIGHT)
    up = axis(min(ys), max(ys), log=log_y, start=HEIGHT - BOTTOM, stop=TOP)

    def draw(theme: Theme) -> str:
        def words(x, y, text, anchor, color):
            return (
                f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}">{text}</text>'
            )

        parts = []
        for tick, label in across[1]:
            parts.append(words(across[0](tick), HEIGHT - BOTTOM + 16, label, "middle", theme.muted))
        for tick, label in up[1]:
            at = up[0](tick)
            parts.append(f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="{theme.grid}"/>')
            parts.append(words(LEFT - 8, at + 4, label, "end", theme.muted))
        parts.append(words((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x_title, "middle", theme.text))
        parts.append(words(WIDTH - RIGHT, 18, y_title, "end", theme.muted))
        at = LEFT
        for number, curve in enumerate(curves):
            color = SERIES[number % 2 if curve.points else number]
            places = [(across[0](x), up[0](y)) for x, y in zip(curve.x, curve.y, strict=True)]
            if curve.points:
                dots = (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in places)
                parts.append(f'<g fill="none" stroke="{color}">{"".join(dots)}</g>')
            else:
                path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
                parts.append(f'<path d="M{path}" fill="none" stroke="{color}" stroke-width="2"/>')
            if curve.name:
                shape = (
                    f'<circle cx="{at + 8}" cy="14" r="3.5" fill="none" stroke="{theme.muted}"/>'
                    if curve.points
                    else f'<path d="M{at} 14h16" stroke="{color}" stroke-width="2"/>'
                )
                parts += [shape, words(at + 22, 18, curve.name, "start", theme.text)]
                at += 40 + 7 * len(curve.name)
        style = "font:12px Inter,'Helvetica Neue',Helvetica,Arial,sans-serif"
        box = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        inside = "\n".join(parts)
        return f'<svg xmlns="http://www.w3.org/2000/svg" {box} style="{style}">\n{inside}\n</svg>\n'

    return draw


def axis(low: float, high: float, *, log: bool, start: float, stop: float):
    """Return the map from values to places, and the ticks with their labels."""
    if log:
        first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)

        def place(value):
            return start + (math.log10(max(value, 10.0**first)) - first) / (last - first) * (
                stop - start
            )

        return place, [(10.0**k, f"10<tspan dy='-5'>{k}</tspan>") for k in range(first, last + 1)]
    step = 10 ** math.floor(math.log10((high - low) / 2))
    step *= next(k for k in (1, 2, 5, 10) if (high - low) / (k * step) <= 7)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)

    def even(value):
        return start + (value - first * step) / ((last - first) * step) * (stop - start)

    return even, [(k * step, f"{k * step:,.10g}") for k in range(first, last + 1)]


if __name__ == "__main__":
    main()
