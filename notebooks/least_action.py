"""Least action: networks that pay for computing, their gates, their routes, what it costs them."""

import marimo

app = marimo.App(width="medium", app_title="Least action", css_file="style.css")


@app.cell(hide_code=True)
def _():
    import marimo as mo

    import grokscope
    from grokscope.analyses.sweep import analyze
    from grokscope.plots import PLOTS, SWEEP_PLOTS
    from grokscope.plots.style import DARK, dressed, properties

    runs = mo.cli_args().get("runs") or mo.notebook_dir().parent / "runs" / "notebooks"
    mo.Html(f"<style>{properties(DARK)}</style>")
    return DARK, PLOTS, SWEEP_PLOTS, analyze, dressed, grokscope, mo, runs


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    # Least action

    A network that memorizes needs much computation for every example; one that has found the rule
    needs little. If computation **has a price**, does a network still generalize, and does it then
    use less of itself? Two kinds of network answer: one whose **layers have gates** that it pays
    to keep open, and one that **routes** each example through some of its heads.

    To look at runs of your own, open this page with `marimo edit notebooks/least_action.py` and
    let the cells that train open them: `grokscope.open("runs/…")`.
    """)
    return


@app.cell
def _(grokscope, runs):
    # Four short runs of four gated layers: layers for free, and layers at λ = 0.1 each, twice.
    grid = [(weight, seed) for weight in (0.0, 0.1) for seed in (0, 1)]
    gated = grokscope.train_all(
        [
            grokscope.load(
                "gated-17", ["steps=1000", f"penalties.0.weight={weight}", f"seed={seed}"]
            )
            for weight, seed in grid
        ],
        out=runs,
        names=[f"gated-{weight}-{seed}" for weight, seed in grid],
    )
    free, paying = gated[0], gated[-1]
    return free, gated, paying


@app.cell
def _(grokscope, runs):
    # One routed network: three layers of two heads. Where it is done it is used again.
    (routed,) = grokscope.train_all(
        [grokscope.load("routed-17", ["steps=1500"])], out=runs, names=["routed"]
    )
    routing = routed.analyze("routing_map")
    return routed, routing


@app.cell(hide_code=True)
def _(free, mo, paying, routed):
    mo.hstack(
        [
            mo.stat(
                f"{free.last['effective_depth']:.2f}", label="Layers in use, free", bordered=True
            ),
            mo.stat(
                f"{paying.last['effective_depth']:.2f}",
                label="Layers in use, λ = 0.1",
                bordered=True,
            ),
            mo.stat(
                f"{paying.last['test_acc']:.3f}", label="Test accuracy, λ = 0.1", bordered=True
            ),
            mo.stat(routed.outcome, label="Routed network", bordered=True),
        ],
        widths="equal",
        wrap=True,
    )
    return


@app.cell(hide_code=True)
def _(DARK, PLOTS, dressed, mo, paying):
    mo.vstack(
        [
            mo.md("""
    ## Gates

    A network of four layers pays λ = 0.1 for each that is open. A gate is open (1, dark) or shut
    (0, light), averaged here over the training pairs. All four start open.
    """),
            dressed(PLOTS["gate_evolution"].function(paying), DARK),
            mo.md("""
    The path of the same run: how many layers are open against how much it knows. Early
    measurements are light, late ones dark.
    """),
            dressed(PLOTS["depth_over_accuracy"].function(paying), DARK),
            mo.md("Its training, for comparison:"),
            dressed(PLOTS["training_curves"].function(paying), DARK),
        ]
    )
    return


@app.cell(hide_code=True)
def _(DARK, PLOTS, dressed, mo, routed, routing):
    mo.vstack(
        [
            mo.md(f"""
    ## Routing

    In each of three layers a router weighs two heads for every pair of numbers. The mean weights
    over training show whether a head is left idle. The entropy of the routes at the end is
    {routing.scalars["routing_entropy"]:.3f} of at most {routing.scalars["routing_entropy_max"]:.3f}
    nats: at 0 each pair takes one head alone, at the most it takes all alike.
    """),
            dressed(PLOTS["head_utilization"].function(routed), DARK),
            mo.md("""
    The head that weighs most for each pair (a, b), layer by layer. Stripes and patches are pairs
    that share a route; one color all over is a layer with one working head.
    """),
            dressed(PLOTS["dominant_heads"].function(routed), DARK),
        ]
    )
    return


@app.cell(hide_code=True)
def _(DARK, SWEEP_PLOTS, analyze, dressed, gated, mo):
    mo.vstack(
        [
            mo.md("""
    ## Phase diagram

    Each ring is one of the four gated runs: what it knows at the end against the layers it keeps.
    Best is the upper left corner, everything known with little computed; the dotted line joins
    runs that no other beats in both. Right, both over the price λ. Two seeds a price are an
    illustration, so intervals are wide; `grokscope sweep phase-1-pressure` trains the diagram.
    """),
            dressed(SWEEP_PLOTS["accuracy_against_depth"].function(analyze(gated)), DARK),
        ]
    )
    return


if __name__ == "__main__":
    app.run()
