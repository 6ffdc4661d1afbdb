"""`grokscope export`: a history as CSV or JSON."""

from pathlib import Path
from typing import Annotated

import typer

from grokscope.cli.console import answer


def command(
    run: Annotated[str, typer.Argument(help="The run's directory.")],
    file: Annotated[Path, typer.Argument(help="A new file that ends in .csv or .json.")],
) -> None:
    """Write the history of a run as CSV or JSON.

    Example: [bold]grokscope export runs/quick quick.csv[/bold]
    """
    from grokscope.store import open_run

    open_run(run).export(file)
    answer(str(file))
