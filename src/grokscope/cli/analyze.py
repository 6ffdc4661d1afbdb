"""`grokscope analyze`: an analysis of stored runs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from grokscope.cli.console import answer
from grokscope.cli.options import Json


def command(
    name: Annotated[str, typer.Argument(help="The analysis (see: grokscope show analysis).")],
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN... [OPTION=VALUE]...", help="Runs, then options.")
    ],
    json: Json = False,
) -> None:
    """Analyze runs; a result made before is read back.

    Example: [bold]grokscope analyze grokking_time runs/quick k=5[/bold]
    """
    import json as json_

    from grokscope.cli.console import computing
    from grokscope.config.decode import parse_override
    from grokscope.errors import ConfigError
    from grokscope.store import open_run

    paths = [text for text in runs if "=" not in text or Path(text).exists()]
    options = dict(parse_override(text) for text in runs if text not in paths)
    if not paths:
        raise ConfigError("analyze: name at least one run directory")
    results: dict[str, dict[str, Any]] = {}
    for run in [open_run(path) for path in paths]:
        with computing(f"{run.name} {name}"):
            results[str(run.path)] = run.analyze(name, **options).scalars
    if json:
        answer(json_.dumps({"analysis": name, "results": results}))
        return
    for path, scalars in results.items():
        answer(path)
        width = max(map(len, scalars))
        for key, value in scalars.items():
            answer(f"  {key:<{width}}  {'–' if value is None else _shown(value)}")


def _shown(value: Any) -> str:
    return f"{value:,.6g}" if isinstance(value, float) else str(value)
