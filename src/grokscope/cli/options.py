"""Options that several verbs share."""

from typing import Annotated, TypeAlias

import typer

Json: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one machine-readable summary on standard output.")
]
Report: TypeAlias = Annotated[bool, typer.Option(help="Write report.html into the run at the end.")]
Runs: TypeAlias = Annotated[list[str], typer.Argument(metavar="RUN...", help="Run directories.")]
