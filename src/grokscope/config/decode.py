"""From documents, overrides and environment variables to a RunConfig; errors name the place."""

import dataclasses
import functools
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from grokscope._registry import nearest
from grokscope.config.document import MAX_DEPTH, Document
from grokscope.config.schema import OneOf, RunConfig
from grokscope.errors import ConfigError

PREFIX = "GROKSCOPE_"
MOST_LINES = 20
# Changes after which a recipe's own notes are still true.
_HARMLESS = ("name", "notes", "tags", "seed", "threads", "device", "measure", "checkpoint")
RECIPES = Path(__file__).parent / "recipes"


def recipes() -> dict[str, Path]:
    """Return the recipes that ship with grokscope, by name."""
    return {path.stem: path for path in sorted(RECIPES.glob("*.yaml"))}


def load(
    source: str | Path,
    overrides: Sequence[str] = (),
    *,
    environment: Mapping[str, str] | None = None,
) -> RunConfig:
    """Return the configuration of a recipe's name or a YAML file.

    overrides: `path=value` with a YAML value; environment: variables such as
    GROKSCOPE_OPTIMIZER__WEIGHT_DECAY (the process's by default). The file is weakest, then the
    environment, then the overrides. Raises ConfigError with one line for each problem.
    """
    document = Document.read(_find(str(source)))
    tree = document.mapping()
    if not tree.get("name"):
        tree["name"] = Path(document.origin).stem
    changes = environment_overrides(os.environ if environment is None else environment)
    changes |= {path: (value, "command line") for path, value in map(parse_override, overrides)}
    if any(path.partition(".")[0] not in _HARMLESS for path in changes):
        told = ", ".join(f"{path}={value}" for path, (value, _) in changes.items())
        tree["notes"] = f"{tree['name']} with {told}."
    tree = merge(plain(tree, document.origin), changes)
    return decode(tree, document=document, changes=changes)


def decode(
    tree: Mapping[str, Any],
    *,
    document: Document | None = None,
    changes: Mapping[str, tuple[Any, str]] | None = None,
) -> RunConfig:
    """Return the configuration of plain nested data. Raises ConfigError naming every problem."""
    origin = document.origin if document is not None else "configuration"
    try:
        return adapter().validate_json(json.dumps(plain(tree, origin)), strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False)
        shown = [_line(detail, document, changes or {}) for detail in details[:MOST_LINES]]
        if len(details) > MOST_LINES:
            shown.append(f"{origin}: and {len(details) - MOST_LINES:,} more problems")
        raise ConfigError("\n".join(dict.fromkeys(shown))) from None


def plain(value: Any, where: str) -> Any:
    """Return a copy of nested data as JSON can hold it. Raises ConfigError naming what cannot."""
    try:
        text = json.dumps(value, default=str, ensure_ascii=False)
        return json.loads(text.encode())
    except (TypeError, ValueError, RecursionError):
        raise ConfigError(f"{where}: {_unfit(value) or 'cannot be held as plain data'}") from None


def _unfit(value: Any, path: tuple[str, ...] = ()) -> str:
    """Return where nested data holds what JSON cannot, and what that is."""
    where = f"{'.'.join(path)}: " if path else ""
    if len(path) > MAX_DEPTH:
        return f"{path[0]}: contains itself"
    if isinstance(value, str) and not _encodable(value):
        return f"{where}{_shown(value)} holds half a character"
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, (str, int, float, NoneType)) or not _encodable(str(key)):
                return f"{where}expected words for keys, got {_short(repr(key))}"
    items = enumerate(value) if isinstance(value, (list, tuple)) else ()
    pairs = value.items() if isinstance(value, Mapping) else items
    found = (_unfit(item, (*path, _word(str(key)))) for key, item in pairs)
    return next((reason for reason in found if reason), "")


def _encodable(text: str) -> bool:
    try:
        return bool(text.encode()) or not text
    except UnicodeEncodeError:
        return False


@functools.cache
def adapter() -> TypeAdapter[RunConfig]:
    """Return the validator of RunConfig, built once from the registries."""
    return TypeAdapter(RunConfig)


def parse_override(text: str) -> tuple[str, Any]:
    """Return the path and the value of `path=value`. Raises ConfigError without the `=`."""
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise ConfigError(f"{text!r}: expected path=value, such as optimizer.lr=1e-3")
    return path.strip(), _value(path.strip() if path.isprintable() else repr(text), value)


def environment_overrides(environment: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    """Return path to (value, origin) for variables such as GROKSCOPE_OPTIMIZER__WEIGHT_DECAY."""
    found = {}
    for variable, text in sorted(environment.items()):
        if variable.startswith(PREFIX):
            path = variable.removeprefix(PREFIX).lower().replace("__", ".")
            found[path] = (_value(variable, text), variable)
    return found


def merge(tree: Mapping[str, Any], changes: Mapping[str, tuple[Any, str]]) -> dict[str, Any]:
    """Return a copy of `tree` with values set at dotted paths.

    Setting another `kind` starts that section afresh: the fields of the old kind go.
    """
    merged = plain(tree, "configuration")
    ordered = sorted(changes.items(), key=lambda change: not change[0].endswith("kind"))
    for path, (given, origin) in ordered:
        value = plain(given, f"{origin}: {'.'.join(map(_word, path.split('.')))}")
        *parents, last = path.split(".")
        here: Any = merged
        for parent in parents:
            here = _descend(here, parent, path, origin)
        if last == "kind" and isinstance(here, dict) and here.get("kind") != value:
            here.clear()
        if isinstance(here, list):
            here[_number(here, last, path, origin)] = value
        elif isinstance(here, dict):
            here[last] = value
        else:
            raise ConfigError(f"{origin}: {path}: {'.'.join(parents)} is not a section")
    return dict(merged)


def _descend(here: Any, part: str, path: str, origin: str) -> Any:
    if isinstance(here, list):
        return here[_number(here, part, path, origin)]
    if not isinstance(here, dict):
        raise ConfigError(f"{origin}: {path}: {part} is not inside a section")
    if here.get(part) is None:
        here[part] = {}
    return here[part]


def _number(here: list[Any], part: str, path: str, origin: str) -> int:
    if not (part.isascii() and part.isdigit()) or int(part) >= len(here):
        raise ConfigError(f"{origin}: {path}: {part!r} is not one of the {len(here)} items")
    return int(part)


def _value(where: str, text: str) -> Any:
    return Document(where, text).value()


def _find(source: str) -> Path:
    known = recipes()
    if source in known:
        return known[source]
    path = Path(source)
    if path.suffix in (".yaml", ".yml") or "/" in source or os.path.lexists(source):
        return path
    raise ConfigError(
        f"no recipe and no file {source!r}{nearest(source, list(known))} "
        f"(recipes: {', '.join(known)})"
    )


def _line(
    detail: ErrorDetails, document: Document | None, changes: Mapping[str, tuple[Any, str]]
) -> str:
    """Return one problem as `where: path: expected, given, remedy`."""
    path, holder = _walk(detail["loc"])
    problem = _problem(detail, path, holder)
    if detail["type"].startswith("union_tag"):
        path = [*path, "kind"]
    if detail["type"] == "value_error":
        field, colon, rest = problem.partition(": ")
        if colon and field.isidentifier():
            path, problem = [*path, field], rest
    dotted = ".".join(_word(part) for part in path)
    where = ""
    raw = ".".join(map(str, path))
    for changed, (_, origin) in changes.items():
        if f"{raw}.".startswith(f"{changed}.") or f"{changed}.".startswith(f"{raw}."):
            where = f"{origin}: "
    if not where and detail["type"] == "value_error":  # fields at odds: blame the changed one
        section = raw.rpartition(".")[0]
        origins = [o for p, (_, o) in changes.items() if p.rpartition(".")[0] == section]
        where = f"{origins[0]}: " if origins else ""
    if not where and document is not None:
        line = document.line(path)
        where = f"{document.origin}:{line}: " if line else f"{document.origin}: "
    return f"{where}{dotted}: {problem}" if dotted else f"{where}{problem}"


def _word(part: str | int) -> str:
    """Return a part of a path as it stands, quoted where it holds more than a word."""
    text = _short(str(part))
    return text if re.fullmatch(r"[\w+-]+", text) else repr(text)


def _problem(detail: ErrorDetails, path: Sequence[str | int], holder: Any) -> str:
    kind, given, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "unexpected_keyword_argument":
        known = _field_names(holder)
        return f"unknown key{nearest(str(path[-1]), known)} (known: {', '.join(known)})"
    if kind in ("missing", "missing_keyword_only_argument"):
        return "required, but missing"
    if kind == "union_tag_not_found":
        return f"required, but missing (known: {', '.join(_kinds(holder))})"
    if kind == "union_tag_invalid":
        known = _kinds(holder)
        tag = str(context.get("tag", ""))
        return f"unknown kind {tag!r}{nearest(tag, known)} (known: {', '.join(known)})"
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        close = nearest(str(given), re.findall(r"'([^']*)'", str(context["expected"])))
        return f"expected {context['expected']}, got {_shown(given)}{close}"
    if isinstance(given, str) and given in _kinds(holder):
        return f"expected a section; did you mean {path[-1]}.kind={given}?"
    message = detail["msg"].replace("Input should be", "expected").replace("Object", "a section")
    return f"{message[0].lower()}{message[1:]}, got {_shown(given)}"


def _shown(value: Any) -> str:
    text = "a section" if isinstance(value, dict) else json.dumps(value, default=str)
    return _short(text)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _walk(location: tuple[int | str, ...]) -> tuple[list[str | int], Any]:
    """Return the path without the tags of unions, and the annotation or class at its parent.

    For an error about a union itself the annotation of the union is returned.
    """
    here: Any = RunConfig
    holder: Any = RunConfig
    path: list[str | int] = []
    for part in location:
        registry = _registry(here)
        if registry is not None and part in registry:
            here = registry[str(part)]
            continue
        path.append(part)
        holder = here
        if dataclasses.is_dataclass(here):
            here = get_type_hints(here, include_extras=True).get(str(part))
        elif isinstance(part, int) and get_args(here):
            here = get_args(here)[0]
    return path, here if _registry(here) is not None else holder


def _registry(annotation: Any) -> Mapping[str, type] | None:
    for extra in get_args(annotation)[1:]:
        if isinstance(extra, OneOf):
            return extra.registry
    return None


def _field_names(holder: Any) -> list[str]:
    return [f.name for f in dataclasses.fields(holder)] if dataclasses.is_dataclass(holder) else []


def _kinds(holder: Any) -> list[str]:
    registry = _registry(holder)
    return list(registry) if registry is not None else []
