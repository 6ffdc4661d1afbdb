"""The application: verbs and what they share."""

from typing import Annotated

import typer

from grokscope import __version__
from grokscope.cli import (
    analyze,
    dashboard,
    export,
    pipeline,
    report,
    resume,
    show,
    sweep,
    train,
    verify,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"grokscope {__version__}")
        raise typer.Exit


app = typer.Typer(
    name="grokscope",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def grokscope(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Train, measure and compare networks that memorize first and generalize long after.

    Start with: [bold]grokscope train quick[/bold]
    """


for verb in (train, resume, sweep, show, analyze, pipeline, report, dashboard, export, verify):
    app.command(verb.__name__.rpartition(".")[2])(verb.command)
