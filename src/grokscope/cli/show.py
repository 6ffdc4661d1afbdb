"""`grokscope show`: what there is to choose from, and every field with its meaning."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from grokscope.cli.console import answer
from grokscope.cli.options import Json

PARTS = ("task", "model", "loss", "penalty", "optimizer")


def command(
    kind: Annotated[str | None, typer.Argument(help="What to list, such as task.")] = None,
    name: Annotated[
        str | None,
        typer.Argument(help="Which of them to explain; for config a section, such as data."),
    ] = None,
    json: Json = False,
) -> None:
    """Show recipes, sweeps, parts of every kind, metrics, analyses, fields, the schema.

    Example: [bold]grokscope show task modular[/bold]
    """
    import json as json_

    from grokscope._registry import nearest
    from grokscope.errors import ConfigError

    views: dict[str, Callable[[str | None], Any]] = {
        "recipe": lambda name: _files("recipe", name),
        "sweep": lambda name: _files("sweep", name),
        "config": _config,
        **{part: lambda name, part=part: _parts(part, name) for part in PARTS},  # type: ignore[misc]
        "dynamics": _dynamics,
        "metric": lambda name: _functions("metric", name),
        "analysis": lambda name: _functions("analysis", name),
        "plot": _plots,
        "schema": lambda name: _schema(),
    }
    if kind is None:
        content: Any = {part: list(views[part](None)) for part in views if part != "schema"}
        content["schema"] = "the JSON schema of a configuration, for editors"
    elif kind not in views:
        known = ", ".join(views)
        raise ConfigError(
            f"show: unknown kind {kind!r}{nearest(kind, list(views))} (known: {known})"
        )
    else:
        content = views[kind](name)
    if json or kind == "schema":
        answer(json_.dumps(content, indent=None if json else 2))
    elif isinstance(content, str):
        answer(content.rstrip())
    else:
        _table(content)


def _files(kind: str, name: str | None) -> Any:
    """Return the notes of every recipe or sweep that ships, or the text of one."""
    from grokscope._registry import nearest
    from grokscope.config import recipes
    from grokscope.config.document import Document
    from grokscope.errors import ConfigError
    from grokscope.sweeps.file import sweep_recipes

    known = recipes() if kind == "recipe" else sweep_recipes()
    if name is None:
        return {key: Document.read(path).mapping().get("notes", "") for key, path in known.items()}
    if name not in known:
        raise ConfigError(
            f"no {kind} {name!r}{nearest(name, list(known))} (known: {', '.join(known)})"
        )
    return known[name].read_text(encoding="utf-8")


def _parts(kind: str, name: str | None) -> dict[str, str]:
    registry = _registry(kind)
    if name is not None:
        return _fields(registry[name].__name__)
    return {key: (part.__doc__ or "").strip().splitlines()[0] for key, part in registry.items()}


def _dynamics(name: str | None) -> dict[str, str]:
    """Return what may move the parameters, or the words of one."""
    from grokscope.problem import DYNAMICS

    known = {key: (part.__doc__ or "").strip() for key, part in DYNAMICS.items()}
    if name is not None:
        return {name: " ".join((DYNAMICS[name].__doc__ or "").split())}
    return {key: words.splitlines()[0] for key, words in known.items()}


def _functions(kind: str, name: str | None) -> dict[str, str]:
    registry = _registry(kind)
    if name is not None:
        part = registry[name]
        return {
            key: str(getattr(part, key)) for key in part.__dataclass_fields__ if key != "function"
        }
    return {
        key: (part.function.__doc__ or part.label).strip().splitlines()[0]
        for key, part in registry.items()
    }


def _plots(name: str | None) -> dict[str, str]:
    """Return the figures of runs, then those of sweeps, or the words of one."""
    from grokscope.plots import SWEEP_PLOTS

    if name is not None:
        return _functions("sweep plot" if name in SWEEP_PLOTS else "plot", name)
    of_sweeps = _functions("sweep plot", None).items()
    return _functions("plot", None) | {
        key: f"{words.removesuffix('.')} (of a sweep)." for key, words in of_sweeps
    }


def _registry(kind: str) -> Mapping[str, Any]:
    from grokscope.metrics import METRICS
    from grokscope.models import MODELS
    from grokscope.objectives import LOSSES, PENALTIES
    from grokscope.optim import OPTIMIZERS
    from grokscope.store.results import ANALYSES
    from grokscope.tasks import TASKS

    if kind == "plot":
        from grokscope.plots import PLOTS

        return PLOTS
    if kind == "sweep plot":
        from grokscope.plots import SWEEP_PLOTS

        return SWEEP_PLOTS
    found: dict[str, Mapping[str, Any]] = {
        "task": TASKS,
        "model": MODELS,
        "loss": LOSSES,
        "penalty": PENALTIES,
        "optimizer": OPTIMIZERS,
        "metric": METRICS,
        "analysis": ANALYSES,
    }
    return found[kind]


def _schema() -> dict[str, Any]:
    from grokscope.config import schema_json

    return schema_json()


def _config(name: str | None) -> dict[str, str]:
    """Return the fields of the configuration, or of one of its plain sections such as `data`."""
    from grokscope._registry import nearest
    from grokscope.errors import ConfigError

    if name is None:
        return _fields("RunConfig")
    sections = {
        key: str(field["$ref"]).rpartition("/")[2]
        for key, field in _schema()["properties"].items()
        if "$ref" in field
    } | {"init": "Init"}
    if name not in sections:
        known = ", ".join(sections)
        raise ConfigError(f"config: no section {name!r}{nearest(name, list(sections))} ({known})")
    return _fields(sections[name])


def _fields(definition: str) -> dict[str, str]:
    """Return each field of a configuration class with its default and meaning."""
    import json as json_

    schema = _schema()
    part = schema if definition == "RunConfig" else schema["$defs"][definition]
    shown = {}
    for key, field in part["properties"].items():
        default = f"(default {json_.dumps(field['default'])})" if "default" in field else ""
        words = " ".join(str(field.get("description", "")).split())
        shown[key] = " ".join(part for part in (words, _choices(field), default) if part)
    return shown


def _choices(field: Mapping[str, Any]) -> str:
    """Return the allowed values of a field, where they can be listed or bounded."""
    for option in (field, field.get("items", {}), *field.get("anyOf", [])):
        if "enum" in option:
            return f"[{' | '.join(map(str, option['enum']))}]"
        bounds = {
            "minimum": ">=",
            "exclusiveMinimum": ">",
            "maximum": "<=",
            "exclusiveMaximum": "<",
        }
        told = [f"{sign} {option[key]:g}" for key, sign in bounds.items() if key in option]
        if told:
            return f"[{', '.join(told)}]"
    return ""


def _table(content: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in content.items():
        words = "  ".join(value) if isinstance(value, list) else str(value)
        table.add_row(Text(key, style="bold"), Text(words))
    Console().print(table)
