"""Hessian spectra of a real run: the pictures of docs/hessian.md.

Run as `python docs/hessian.py`: it trains a small quadratic network modulo 13, so that a whole
spectrum takes a second, and takes it at seventeen checkpoints; a minute in all. Or give it
a run, such as that of `grokscope pipeline hessian`, which takes forty minutes.
"""

import sys
from pathlib import Path

from figures import PICTURES, ROOT, RUNS, THEMES

import grokscope
from grokscope.plots import PLOTS, save
from grokscope.plots.style import dressed

SHOWN = (
    "spectrum_evolution",
    "hessian_summary",
    "eigenvalue_histogram",
    "spectral_density",
    "dendrogram_snapshots",
    "dendrogram_animation",
    "cluster_counts",
    "gap_bar_code",
    "cluster_heat_map",
)


STEPS = (0, 10, 20, 30, 50, 75, 100, 150, 200, 300, 400, 500, 600, 700, 800)
OPTIONS = (
    "task.p=13",
    "model.width=40",
    "data.train_fraction=0.85",
    "threads=1",
    "stop=never",
    "steps=2000",
    "checkpoint.every=1000",
)
"""1,560 parameters: a whole spectrum takes about a second."""


def main() -> None:
    """Draw every picture in light and dark, and print the numbers that the page tells."""
    run = grokscope.open(Path(sys.argv[1])) if sys.argv[1:] else trained()
    print(run.status["memorized_at"], run.status["grokked_at"])
    for name, result in run.results().items():
        if name in ("hessian_spectrum", "spectral_dendrogram"):
            print(name, result.scalars)
    for scheme, theme in THEMES.items():
        for name in SHOWN:
            path = PICTURES / f"{name}_{scheme}.png"
            save(dressed(PLOTS[name].function(run), theme), path, width=860)
            print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1000:.0f} kB")


def trained() -> grokscope.Run:
    """Return the run of the page, trained and analyzed once."""
    path = RUNS / "hessian"
    if not path.exists():
        early = f"checkpoint.early=[{','.join(map(str, STEPS))}]"
        grokscope.train("quick", [*OPTIONS, early], out=RUNS, name="hessian")
    run = grokscope.open(path)
    run.analyze("hessian_spectrum", samples=None, ends=25)
    run.analyze("spectral_dendrogram")
    return run


if __name__ == "__main__":
    main()
