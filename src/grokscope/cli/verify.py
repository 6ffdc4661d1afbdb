"""`grokscope verify`: every file of a run against its hash."""

import typer

from grokscope.cli.console import answer
from grokscope.cli.options import Json, Runs


def command(runs: Runs, json: Json = False) -> None:
    """Check runs without changing them; exit code 5 for damage, 6 where no checkpoint is valid.

    Example: [bold]grokscope verify runs/*[/bold]
    """
    import json as json_

    from grokscope.errors import NoValidStateError, StorageError
    from grokscope.store import open_run
    from grokscope.store.belonging import newest

    found: dict[str, list[str]] = {}
    code = 0
    for run in [open_run(path) for path in runs]:
        found[str(run.path)] = run.verify()
        if found[str(run.path)]:
            left = newest(run.path)[0]
            code = max(code, (NoValidStateError if left is None else StorageError).exit_code)
    if json:
        answer(json_.dumps({"problems": found}))
    for path, problems in [] if json else found.items():
        answer(f"{path}: sound" if not problems else "\n".join(problems))
    raise typer.Exit(code)
