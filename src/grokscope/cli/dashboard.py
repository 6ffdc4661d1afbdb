"""`grokscope dashboard`: a folder of runs in the browser."""

from pathlib import Path
from typing import Annotated

import typer

from grokscope.cli.console import answer, say
from grokscope.cli.options import Json


def command(
    folder: Annotated[Path, typer.Argument(help="Folder of runs.")] = Path("runs"),
    host: Annotated[
        str, typer.Option(help="Address to listen at; others than this machine need a token.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(help="Port; by default the first free one from 7860.")
    ] = None,
    json: Json = False,
) -> None:
    """Show the runs of a folder in the browser, while they train; Ctrl-C ends it.

    Example: [bold]grokscope dashboard runs[/bold]
    """
    import json as json_

    from grokscope.dashboard import serve

    def told(link: str) -> None:
        if json:
            answer(json_.dumps({"link": link, "folder": str(folder)}))
        else:
            answer(link)
            say("Ctrl-C ends it.")

    serve(folder, host=host, port=port, told=told)
