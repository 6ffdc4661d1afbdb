"""The Fourier circuit of nanda-113, from real runs: numbers and pictures of docs/circuits.md.

Run as `python docs/circuits.py`. A finished run in runs/circuits/ is used again; without them the
training takes about half an hour on two threads.
"""

import math

import plotly.graph_objects as go
from figures import PICTURES, ROOT, THEMES, dressed

import grokscope
from grokscope.analyses.circuit_comparison import circuit_comparison
from grokscope.plots import PLOTS, save
from grokscope.store import Runs

RUNS = ROOT / "runs" / "circuits"
# Seeds, and steps by which each has long generalized.
STEPS = {42: 20_000, 123: 12_000, 456: 12_000}
SHOWN = 42
ANALYSES = ("fourier_circuit", "laplacian_spectrum", "activation_surface", "phases")
DRAWN = (
    "training_curves",
    "circuit_losses",
    "frequency_ablation",
    "unit_frequencies",
    "embedding_waves_map",
    "logit_waves_map",
    "torus_energy",
    "activation_waves",
)


def main() -> None:
    """Train and analyze what is missing, print the tables, draw the pictures of one seed."""
    runs = {seed: finished(seed) for seed in STEPS}
    for run in runs.values():
        for name in ANALYSES:
            run.analyze(name)
    print(table(runs))
    print(circuit_comparison(Runs(tuple(runs.values())), by="seed"))
    for scheme, theme in THEMES.items():
        for name in DRAWN:
            path = PICTURES / f"circuits_{name}_{scheme}.png"
            save(themed(dressed(PLOTS[name].function(runs[SHOWN]), theme), theme), path, width=860)
            print(path.relative_to(ROOT))


def finished(seed: int) -> grokscope.Run:
    """Return the finished run of a seed, trained if need be."""
    path = RUNS / f"nanda-113-{seed}"
    if not path.exists():
        changes = [f"seed={seed}", f"steps={STEPS[seed]}", "stop=never"]
        return grokscope.train("nanda-113", changes, out=RUNS, name=path.name)
    run = grokscope.open(path)
    return run if run.status["state"] == "finished" else grokscope.resume(run)


def table(runs: dict[int, grokscope.Run]) -> str:
    """Return one row a seed as Markdown."""
    rows = [
        "| seed | steps | key frequencies | units of one | restricted at | test at | "
        "excluded rises | least ablation | other ablations at most |",
        "|---:|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    for seed, run in runs.items():
        found = run.analyze("fourier_circuit")
        scalars, arrays = found.scalars, found.arrays
        keys = set(arrays["key_frequencies"].tolist())
        factors = arrays["ablation_all"] / arrays["loss_all"][-1]
        others = [x for k, x in enumerate(factors.tolist(), start=1) if k not in keys]
        rows.append(
            f"| {seed} | {run.status['step']:,} | {scalars['key_frequencies']} | "
            f"{scalars['single_frequency_units']:.2f} | {step(scalars['restricted_at'])} | "
            f"{step(scalars['loss_at'])} | {scalars['excluded_rise']:,.0f} | "
            f"{scalars['least_ablation'] or math.nan:,.0f} | {max(others):.2f} |"
        )
    for seed, run in runs.items():
        phases = run.analyze("phases").scalars
        names = ("memorized_at", "circuit_formation_at", "cleanup_at", "generalized_at")
        rows.append(f"\n{seed}: " + ", ".join(f"{name} {step(phases[name])}" for name in names))
    for seed, run in runs.items():
        torus = run.analyze("laplacian_spectrum").scalars
        rows.append(
            f"\n{seed}: "
            + ", ".join(f"{k} {v:.3g}" for k, v in torus.items() if k.startswith(("first", "last")))
        )
    return "\n".join(rows)


def step(value: int | None) -> str:
    """Return a step, or a dash where there is none."""
    return "–" if value is None else f"{value:,}"


def themed(figure: go.Figure, theme: object) -> go.Figure:
    """Return a figure whose scenes and color bars are legible on a theme's ground too."""
    color = {"color": theme.muted, "gridcolor": theme.grid}  # type: ignore[attr-defined]
    figure.update_scenes(xaxis=color, yaxis=color, zaxis=color)
    return figure


if __name__ == "__main__":
    main()
