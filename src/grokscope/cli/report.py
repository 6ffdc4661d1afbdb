"""`grokscope report`: one self-contained page of a run or of a folder of runs."""

from pathlib import Path
from typing import Annotated

import typer

from grokscope.cli.console import answer
from grokscope.cli.findings import is_folder_of_runs, report_folder
from grokscope.cli.options import Json, Runs


def command(
    runs: Runs,
    figures: Annotated[
        str | None, typer.Option(help="Also write each figure: html, png, svg or pdf.")
    ] = None,
    json: Json = False,
) -> None:
    """Write report.html into runs, or into folders of runs: one page over all of a folder.

    Example: [bold]grokscope report runs/quick --figures png[/bold]
    """
    import json as json_

    from grokscope.plots import check_ending
    from grokscope.reports import write_figures, write_report
    from grokscope.store import open_run

    if figures is not None:
        check_ending(Path(f"figures.{figures.lstrip('.')}"))
    written: list[Path] = []
    for folder in [Path(path) for path in runs if is_folder_of_runs(Path(path))]:
        written += report_folder(folder, figures)[1]
    for run in [open_run(path) for path in runs if not is_folder_of_runs(Path(path))]:
        written.append(write_report(run))
        if figures is not None:
            written += write_figures(run, figures)
    names = [str(path) for path in written]
    answer(json_.dumps({"written": names}) if json else "\n".join(names))
