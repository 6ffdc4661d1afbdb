"""The Hessian of the loss through grokking: spectra, clusters and gaps of its eigenvalues."""

import marimo

app = marimo.App(width="medium", app_title="Hessian", css_file="style.css")


@app.cell(hide_code=True)
def _():
    import marimo as mo

    import grokscope
    from grokscope.plots import PLOTS
    from grokscope.plots.style import DARK, dressed, properties

    runs = mo.cli_args().get("runs") or mo.notebook_dir().parent / "runs" / "notebooks"
    mo.Html(f"<style>{properties(DARK)}</style>")
    return DARK, PLOTS, dressed, grokscope, mo, runs


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    # The Hessian through grokking

    The **Hessian** is the matrix of second derivatives of the training loss by all weights. Its
    eigenvalues λ say how strongly the loss curves along each of its directions: large ones are
    steep walls, those near zero flat floor, negative ones ways down. This notebook takes **the
    whole spectrum at every checkpoint** of a network that is small enough for that, and asks how
    it changes as the network memorizes and generalizes.

    To look at a run of your own, open this page with `marimo edit notebooks/hessian.py` and let the
    cell that trains say `run = grokscope.open("runs/…")`; `grokscope pipeline hessian` makes one.
    """)
    return


@app.cell
def _(grokscope, runs):
    # 1,560 parameters, so that each Hessian takes about a second. A finished run is used again.
    config = grokscope.load(
        "quick",
        [
            "task.p=13",
            "model.width=40",
            "data.train_fraction=0.85",
            "checkpoint.early=[0,20,50,100,200,300,400,600]",
            "checkpoint.every=400",
        ],
    )
    (run,) = grokscope.train_all([config], out=runs, names=["hessian"])
    spectrum = run.analyze("hessian_spectrum", ends=20)
    dendrogram = run.analyze("spectral_dendrogram")
    return dendrogram, run, spectrum


@app.cell(hide_code=True)
def _(dendrogram, mo, run, spectrum):
    mo.hstack(
        [
            mo.stat(run.outcome, label="Outcome", bordered=True),
            mo.stat(run.status["memorized_at"], label="Memorized at step", bordered=True),
            mo.stat(run.status["grokked_at"], label="Grokked at step", bordered=True),
            mo.stat(spectrum.scalars["checkpoints"], label="Checkpoints", bordered=True),
            mo.stat(f"{spectrum.scalars['last_top']:.3g}", label="Largest λ, last", bordered=True),
            mo.stat(dendrogram.scalars["leaves"], label="λ in a dendrogram", bordered=True),
        ],
        widths="equal",
        wrap=True,
    )
    return


@app.cell(hide_code=True)
def _(DARK, PLOTS, dressed, mo, run):
    mo.vstack(
        [
            mo.md("""
    ## Six panels

    The whole story on one page: accuracy, both ends of the spectrum, the trace (the sum of all
    eigenvalues), how many of them are negative, how evenly the curvature is spread (the entropy of
    |λ|/Σ|λ|), and in which tensor the steepest direction lies.
    """),
            dressed(PLOTS["hessian_summary"].function(run), DARK),
        ]
    )
    return


@app.cell(hide_code=True)
def _(DARK, PLOTS, dressed, mo, run):
    mo.vstack(
        [
            mo.md("""
    ## Evolution of the spectrum

    The largest eigenvalues and, below, the sizes of the most negative ones, with the accuracy
    above. Each column is a checkpoint, so the axis is not to scale.
    """),
            dressed(PLOTS["spectrum_evolution"].function(run), DARK),
        ]
    )
    return


@app.cell(hide_code=True)
def _(DARK, PLOTS, dressed, mo, run):
    mo.vstack(
        [
            mo.md("""
    ## Histogram of all eigenvalues

    Counts of log₁₀|λ|, positive and negative ones apart. Most directions are almost flat; a few
    are steeper by orders of magnitude.
    """),
            dressed(PLOTS["eigenvalue_histogram"].function(run), DARK),
        ]
    )
    return


@app.cell(hide_code=True)
def _(DARK, PLOTS, dressed, mo, run):
    mo.vstack(
        [
            mo.md("""
    ## Dendrogram, checkpoint by checkpoint

    The eigenvalues of largest size stand on the axis, and two clusters of them are joined at the
    height of the gap between them. **Move the slider** through training, or play it. Long vertical
    lines are eigenvalues that stand apart from all others.
    """),
            dressed(PLOTS["dendrogram_animation"].function(run), DARK),
            mo.md("Six checkpoints beside each other, in absolute numbers:"),
            dressed(PLOTS["dendrogram_snapshots"].function(run), DARK),
        ]
    )
    return


@app.cell(hide_code=True)
def _(DARK, PLOTS, dressed, mo, run):
    mo.vstack(
        [
            mo.md("""
    ## How many clusters: n(ε)

    Join all eigenvalues closer than ε and count what stays apart. At small ε every eigenvalue is
    its own cluster, at large ε there is one. A flat stretch between is a number of clusters on
    which many scales agree.
    """),
            dressed(PLOTS["cluster_counts"].function(run), DARK),
            mo.md("The same count for every checkpoint at once, as colors:"),
            dressed(PLOTS["cluster_heat_map"].function(run), DARK),
        ]
    )
    return


@app.cell(hide_code=True)
def _(DARK, PLOTS, dressed, mo, run):
    mo.vstack(
        [
            mo.md("""
    ## Gaps

    The gaps between neighboring eigenvalues, the largest on top. A few long bars over many short
    ones mean a few isolated directions over a bulk.
    """),
            dressed(PLOTS["gap_bar_code"].function(run), DARK),
        ]
    )
    return


if __name__ == "__main__":
    app.run()
