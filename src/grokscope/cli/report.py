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
    from grokscope.reports import write_report
    from grokscope.store import open_run

    if figures is not None:
        check_ending(Path(f"figures.{figures.lstrip('.')}"))
    written = []
    for run in [open_run(path) for path in runs]:
        written.append(str(write_report(run)))
        if figures is not None:
            written += [str(path) for path in _figures(run.path, figures)]
    answer(json_.dumps({"written": written}) if json else "\n".join(written))


def _figures(path: Path, ending: str) -> list[Path]:
    from grokscope.plots import PLOTS, save
    from grokscope.store import open_run

    folder = path / "figures"
    folder.mkdir(exist_ok=True)
    run, targets = open_run(path), []
    for part in PLOTS.values():
        if not part.applies(run):
            continue
        target = folder / f"{part.name}.{ending.lstrip('.')}"
        save(part.function(run), target)
        targets.append(target)
    return targets
