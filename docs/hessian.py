"""Hessian spectra of real runs: the pictures of docs/hessian.md.

Run as `python docs/hessian.py` after `grokscope pipeline hessian`; it draws runs/hessian, or the
run that it is given.
"""

import sys
from pathlib import Path

from figures import PICTURES, ROOT, THEMES, dressed

import grokscope
from grokscope.plots import PLOTS, save

SHOWN = (
    "spectrum_evolution",
    "hessian_summary",
    "eigenvalue_histogram",
    "spectral_density",
    "dendrogram_snapshots",
    "dendrogram_animation",
    "gap_bar_code",
    "cluster_heat_map",
)


def main() -> None:
    """Draw every picture in light and dark, and print the numbers that the page tells."""
    run = grokscope.open(Path(sys.argv[1]) if sys.argv[1:] else ROOT / "runs" / "hessian")
    for name, result in run.results().items():
        if name in ("hessian_spectrum", "spectral_dendrogram"):
            print(name, result.scalars)
    for scheme, theme in THEMES.items():
        for name in SHOWN:
            path = PICTURES / f"{name}_{scheme}.png"
            save(dressed(PLOTS[name].function(run), theme), path, width=860)
            print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
