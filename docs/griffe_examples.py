"""Show the doctests of docstrings as code: they become a section named Examples."""

from typing import Any

import griffe


class DoctestsAreExamples(griffe.Extension):
    """Puts an `Examples:` heading above the first doctest of every docstring."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite the docstring of one object."""
        if obj.docstring is None or ">>> " not in obj.docstring.value:
            return
        lines = obj.docstring.value.splitlines()
        first = next(i for i, line in enumerate(lines) if line.lstrip().startswith(">>> "))
        examples = [f"    {line}".rstrip() for line in lines[first:]]
        obj.docstring.value = "\n".join([*lines[:first], "Examples:", *examples])
