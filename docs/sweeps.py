"""The pictures of docs/sweeps.md from the sweep `weight-decay-seeds`: nine runs of nanda-113.

Run as `python docs/sweeps.py`. Members finished in runs/weight-decay-seeds/ are used again; without
them the training takes about half an hour on two cores.
"""

from figures import PICTURES, ROOT, THEMES, dressed

from grokscope.analyses.sweep import analyze
from grokscope.plots import SWEEP_PLOTS, save
from grokscope.sweeps import load_sweep, run_sweep

DRAWN = {"sweep_panel": 1000, "grokking_times": 760}


def main() -> None:
    """Train what is missing, print groups and verdicts, draw in light and dark."""
    sweep = load_sweep("weight-decay-seeds")
    found = analyze(run_sweep(sweep, out=ROOT / "runs"), sweep.hypotheses)
    print(found.runs)
    for row in found.summary["hypotheses"]:
        print(row["verdict"], row["hypothesis"], *(one["words"] for one in row["comparisons"]))
    for name, width in DRAWN.items():
        for scheme, theme in THEMES.items():
            path = PICTURES / f"{name}_{scheme}.png"
            save(dressed(SWEEP_PLOTS[name].function(found), theme), path, width=width)
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
