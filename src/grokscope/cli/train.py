"""`grokscope train`: a recipe or file becomes a run."""

from pathlib import Path
from typing import Annotated

import typer

from grokscope.cli.ending import finish
from grokscope.cli.options import Json, Report


def command(
    recipe: Annotated[str, typer.Argument(help="A recipe (see: grokscope show recipe) or a file.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH=VALUE]...", help="Fields to change.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder in which the run is placed.")] = Path("runs"),
    name: Annotated[str | None, typer.Option(help="Name of the run; must be free.")] = None,
    report: Report = True,
    json: Json = False,
) -> None:
    """Train a network.

    Example: [bold]grokscope train quick seed=3 optimizer.weight_decay=0.5[/bold]
    """
    from grokscope import launch
    from grokscope.cli.console import watching
    from grokscope.cli.signals import stopping
    from grokscope.config import load

    config = load(recipe, overrides or [])
    title = name or config.name
    with stopping() as stop:
        with watching(title, 0, config.steps, config.measure.metrics, set()) as observer:
            run = launch.train(config, out=out, name=name, observer=observer, stop_requested=stop)
        finish(run, stop.code, report=report, json=json)
