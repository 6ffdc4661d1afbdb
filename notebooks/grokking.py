"""One run from memorizing to generalizing: its curve, its phases, its Fourier circuit."""

import marimo

app = marimo.App(width="medium", app_title="Grokking", css_file="style.css")


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
    # Grokking

    A small transformer learns to add two numbers modulo a prime from some of all pairs. First it
    learns those pairs **by heart**. Long after, with nothing left to gain on what it has
    seen, it **gets the others right too**. This notebook shows one such run, the phases it goes
    through, and what the network has built inside.

    To look at a run of your own, open this page with `marimo edit notebooks/grokking.py` and let
    the cell that trains say `run = grokscope.open("runs/…")`.
    """)
    return


@app.cell
def _(grokscope, runs):
    # Seconds to train, with a checkpoint every 200 steps. A finished run is used again.
    config = grokscope.load("transformer-17", ["checkpoint.every=200"])
    (run,) = grokscope.train_all([config], out=runs, names=["grokking"])
    circuit = run.analyze("fourier_circuit")
    phases = run.analyze("phases")
    return circuit, phases, run


@app.cell(hide_code=True)
def _(circuit, mo, run):
    mo.hstack(
        [
            mo.stat(run.outcome, label="Outcome", bordered=True),
            mo.stat(run.status["memorized_at"], label="Memorized at step", bordered=True),
            mo.stat(run.status["grokked_at"], label="Grokked at step", bordered=True),
            mo.stat(f"{run.last['test_acc']:.3f}", label="Test accuracy", bordered=True),
            mo.stat(len(circuit.arrays["key_frequencies"]), label="Key frequencies", bordered=True),
        ],
        widths="equal",
        wrap=True,
    )
    return


@app.cell(hide_code=True)
def _(DARK, PLOTS, dressed, mo, run):
    mo.vstack(
        [
            mo.md(f"""
    ## The grokking curve

    Blue is what the network trains on, orange what it has never seen. Between the two dashed lines
    it has every training pair right and not yet the others. The dotted line is what a plain table
    of the training pairs scores that also knows that a + b = b + a. The axis is logarithmic,
    because the wait is so much longer than the learning: {run.status["grokked_at"] or "–"} steps
    against {run.status["memorized_at"] or "–"}.
    """),
            dressed(PLOTS["training_curves"].function(run), DARK),
        ]
    )
    return


@app.cell(hide_code=True)
def _(DARK, PLOTS, dressed, mo, phases, run):
    mo.vstack(
        [
            mo.md(f"""
    ## Phases

    The sudden jump hides a slow change. The **restricted loss** is what remains of the network if
    only the waves of a + b at its key frequencies are kept; the **excluded loss** is what remains
    without them. Memorization ends at step {phases.scalars["memorized_at"]}. **Circuit formation**
    begins at step {phases.scalars["circuit_formation_at"]}: more and more training pairs are
    answered by the waves. **Clean-up**, from step {phases.scalars["cleanup_at"]}, takes away
    what was learned by heart, and only now does the test accuracy tell.
    (Judged by {phases.scalars["judged_by"]}.)
    """),
            dressed(PLOTS["circuit_losses"].function(run), DARK),
        ]
    )
    return


@app.cell(hide_code=True)
def _(DARK, PLOTS, circuit, dressed, mo, run):
    mo.vstack(
        [
            mo.md(f"""
    ## The frequencies it uses

    A network that adds modulo p can do so by turning circles: it writes each number a as cos 2πka/p
    and sin 2πka/p of a few frequencies k. Here
    **k = {", ".join(map(str, circuit.arrays["key_frequencies"])) or "none"}** are the key
    frequencies, those to which at least 1 % of the hidden units are devoted.
    """),
            dressed(PLOTS["unit_frequencies"].function(run), DARK),
            mo.md("""
    Every frequency of the weights that read the two numbers, a row each. Dark rows are
    frequencies that many dimensions carry; to the right, the share of each in the first
    checkpoint, which is noise, and in the last.
    """),
            dressed(PLOTS["embedding_waves_map"].function(run), DARK),
        ]
    )
    return


@app.cell(hide_code=True)
def _(DARK, PLOTS, dressed, mo, run):
    mo.vstack(
        [
            mo.md("""
    ## What the answer is made of

    The answers over all pairs, taken apart into a wave of frequency k in a times one of
    frequency l in b. If the network multiplies equal waves of both numbers, all of it lies on
    the diagonal.
    """),
            dressed(PLOTS["logit_waves_map"].function(run), DARK),
            mo.md("""
    The proof by removal: by what factor the loss grows when one frequency is taken out of the
    answers. Key frequencies stand out; the network does not miss the others.
    """),
            dressed(PLOTS["frequency_ablation"].function(run), DARK),
        ]
    )
    return


if __name__ == "__main__":
    app.run()
