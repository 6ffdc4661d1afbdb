"""The command line: one module a verb, loaded light."""

import sys

from grokscope.cli.app import app
from grokscope.errors import GrokscopeError


def main() -> None:
    """Run the command; an error is one line a problem and the exit code of its kind."""
    try:
        app()
    except GrokscopeError as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"grokscope: {line}\n")
        sys.exit(error.exit_code)
