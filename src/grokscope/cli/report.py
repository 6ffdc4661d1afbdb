"""`grokscope report`: one self-contained page of a run."""

from pathlib import Path
from typing import Annotated

import typer

from grokscope.cli.console import answer
from grokscope.cli.options import Json, Runs


def command(
    runs: Runs,
    figures: Annotated[
        str | None, typer.Option(help="Also write each figure: html, png, svg or pdf.")
    ] = None,
    json: Json = False,
) -> None:
    """Write report.html into runs.

    Example: [bold]grokscope report runs/quick --figures png[/bold]
    """
    import json as json_

    from grokscope.plots import check_ending
    from grokscope.reports import write_figures, write_report
    from grokscope.store import open_run

    if figures is not None:
        check_ending(Path(f"figures.{figures.lstrip('.')}"))
    written = []
    for run in [open_run(path) for path in runs]:
        written.append(str(write_report(run)))
        if figures is not None:
            written += [str(path) for path in write_figures(run, figures)]
    answer(json_.dumps({"written": written}) if json else "\n".join(written))
