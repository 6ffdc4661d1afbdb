"""`grokscope resume`: go on with a run as if it had never stopped."""

from typing import Annotated

import typer

from grokscope.cli.ending import finish
from grokscope.cli.options import Json, Report


def command(
    run: Annotated[str, typer.Argument(help="The run's directory.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[steps=N|steps=+N]", help="Train longer.")
    ] = None,
    allow_drift: Annotated[
        bool, typer.Option("--allow-drift", help="Go on under other conditions; recorded.")
    ] = False,
    report: Report = True,
    json: Json = False,
) -> None:
    """Go on with a run from its newest valid checkpoint.

    Example: [bold]grokscope resume runs/quick steps=+5000[/bold]
    """
    from grokscope import launch
    from grokscope.cli.console import watching
    from grokscope.cli.signals import stopping
    from grokscope.store import open_run

    found = open_run(run)
    config = launch.extend(found, overrides or [])
    start = int(found.status.get("step") or 0)
    metrics = config.measure.metrics
    reached = {name for name in ("memorized", "grokked") if found.status.get(f"{name}_at")}
    with stopping() as stop:
        with watching(found.name, start, config.steps, metrics, reached) as observer:
            done = launch.resume(
                found,
                overrides or [],
                allow_drift=allow_drift,
                observer=observer,
                stop_requested=stop,
            )
        finish(done, stop.code, report=report, json=json)
