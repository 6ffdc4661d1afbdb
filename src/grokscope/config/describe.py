"""What every field means: the JSON schema of a configuration, for editors and for `show`."""

import ast
import inspect
import itertools
import textwrap
from typing import Any

from grokscope.config.decode import adapter
from grokscope.models import MODELS
from grokscope.objectives import LOSSES, PENALTIES
from grokscope.optim import OPTIMIZERS
from grokscope.tasks import TASKS


def schema_json() -> dict[str, Any]:
    """Return the JSON schema of a run's configuration; every field has its description."""
    schema: dict[str, Any] = adapter().json_schema()
    parts = [
        part for kind in (TASKS, MODELS, LOSSES, PENALTIES, OPTIMIZERS) for part in kind.values()
    ]
    for part in parts:
        fields = schema["$defs"].get(part.__name__, {}).get("properties", {})
        for name, words in field_docs(part).items():
            if name in fields:
                fields[name].setdefault("description", words)
        if "kind" in fields:
            fields["kind"].setdefault("description", "Which part of the registry this is.")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def field_docs(part: type) -> dict[str, str]:
    """Return the docstring below each field of a class and of the classes it inherits from."""
    words: dict[str, str] = {}
    for base in reversed(part.__mro__):
        if base.__module__.startswith(("builtins", "abc", "typing")):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        statements = body.body if isinstance(body, ast.ClassDef) else []
        for field, below in itertools.pairwise(statements):
            if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
                words[ast.unparse(field.target)] = inspect.cleandoc(ast.literal_eval(below.value))
    return words
