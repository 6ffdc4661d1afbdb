"""`grokscope pipeline`: from training to figures in one command."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from grokscope.cli.console import answer, err
from grokscope.cli.options import Json


def command(
    name: Annotated[Literal["hessian"], typer.Argument(help="The pipeline: hessian.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH=VALUE]...", help="Fields to change.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder in which the run is placed.")] = Path("runs"),
    run: Annotated[str, typer.Option(help="Name of the run; one that exists goes on.")] = "hessian",
    quick: Annotated[bool, typer.Option("--quick", help="A tiny network, in seconds.")] = False,
    images: Annotated[bool, typer.Option(help="Also write PNG, SVG and PDF.")] = True,
    json: Json = False,
) -> None:
    """Train attention-only-113, diagonalize its Hessian at every checkpoint, draw and report.

    Example: [bold]grokscope pipeline hessian --quick[/bold]
    """
    import json as json_

    from grokscope.cli.console import computing, watching
    from grokscope.cli.ending import finish
    from grokscope.cli.signals import stopping
    from grokscope.pipelines import hessian
    from grokscope.reports import write_figures, write_images, write_report

    config = hessian.configuration(overrides or [], quick=quick)
    with (
        stopping() as stop,
        watching(run, 0, config.steps, config.measure.metrics, set()) as observer,
    ):
        done = hessian.trained(config, out=out, name=run, observer=observer, stop_requested=stop)
    if done.status["state"] == "interrupted":
        finish(done, stop.code, report=False, json=json)
    with computing(f"{run}: spectra"):
        spectrum, _ = hessian.spectra(done)
    written = write_figures(done, "html")
    reason = ""
    if images:
        pictures, reason = write_images(done)
        written += pictures
    if reason:
        err.print(f"figures are HTML only: {reason}", markup=False)
    report = write_report(done)
    if json:
        found = {"run": str(done.path), "report": str(report), "spectrum": spectrum.scalars}
        answer(json_.dumps(found | {"figures": [str(path) for path in written]}))
        return
    answer(f"outcome       {done.outcome}")
    for key in ("method", "checkpoints", "last_top", "last_negative"):
        answer(f"{key.replace('_', ' '):<13} {spectrum.scalars[key]}")
    answer(f"figures       {len(written)} in {done.path / 'figures'}")
    answer(f"report        {report}")
