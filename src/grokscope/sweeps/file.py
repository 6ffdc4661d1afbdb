"""Sweep files: a base recipe, the fields that vary, and the hypotheses written beforehand."""

import dataclasses
import functools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import TypeAdapter, ValidationError

from grokscope._registry import nearest
from grokscope.analyses.hypotheses import parse
from grokscope.config import recipes
from grokscope.config.decode import plain
from grokscope.config.document import Document
from grokscope.errors import ConfigError
from grokscope.store.writer import check_name
from grokscope.typing import STRICT, Ge, Gt, Le

RECIPES = Path(__file__).parent / "recipes"
MOST = 10_000
"""Members of one sweep at most; more are a slip of the keyboard."""


@dataclass(frozen=True, kw_only=True)
class Draw:
    """How one field is drawn at random; exactly one of the three."""

    __pydantic_config__ = STRICT

    choice: tuple[Any, ...] | None = None
    """Values, each as likely as the others."""
    uniform: tuple[float, float] | None = None
    """From the first number to the second."""
    log_uniform: tuple[Annotated[float, Gt(0)], Annotated[float, Gt(0)]] | None = None
    """From the first number to the second, uniform in the logarithm."""

    def __post_init__(self) -> None:
        given = [name for name, value in dataclasses.asdict(self).items() if value is not None]
        if len(given) != 1:
            raise ConfigError(
                f"expected one of choice, uniform, log_uniform, got {', '.join(given) or 'none'}"
            )
        if self.choice == ():
            raise ConfigError("choice: expected at least one value")


@dataclass(frozen=True, kw_only=True)
class Random:
    """Members drawn at random; the same file always draws the same ones."""

    __pydantic_config__ = STRICT

    count: Annotated[int, Ge(1), Le(MOST)]
    """How many."""
    seed: Annotated[int, Ge(0)] = 0
    """Seed of the draw."""
    draw: Mapping[str, Draw]
    """What is drawn, by the path of the field."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What a sweep file says. Its members are every combination of `grid`, `zip`, `list`, `random`.

    Fields are named by dotted paths into the configuration of a run.
    """

    __pydantic_config__ = STRICT

    name: str = ""
    """Name of the sweep and of its folder; empty takes the file's."""
    notes: str = ""
    """What is asked, and why with these values."""
    recipe: str
    """What the members have in common: a recipe's name, or a file beside this one."""
    set: Mapping[str, Any] = field(default_factory=dict)
    """Fields changed in every member, by path."""
    grid: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Values by path; every combination is a member."""
    zip: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Values by path, as many for each; the first of all go together, then the second ones."""
    list: tuple[Mapping[str, Any], ...] = ()
    """Members one by one: values by path."""
    random: Random | None = None
    """Members drawn at random."""
    hypotheses: tuple[str, ...] = ()
    """What is expected, such as `median(grokked_at | seed=1) < median(grokked_at | seed=2)`."""
    executor: Literal["local", "ray", "slurm"] = "local"
    """Where the members are trained, unless the command says otherwise."""

    def __post_init__(self) -> None:
        if not (self.grid or self.zip or self.list or self.random):
            raise ConfigError("grid: nothing varies; give grid, zip, list or random")
        for kind in ("grid", "zip"):
            for path, values in getattr(self, kind).items():
                if not values:
                    raise ConfigError(f"{kind}: {path}: expected at least one value")
        lengths = {path: len(values) for path, values in self.zip.items()}
        if len({*lengths.values()}) > 1:
            told = ", ".join(f"{path} has {length}" for path, length in lengths.items())
            raise ConfigError(f"zip: expected as many values for each path, got {told}")


def sweep_recipes() -> dict[str, Path]:
    """Return the sweeps that ship with grokscope, by name."""
    return {
        name: RECIPES / f"{name}.yaml" for name in sorted(p.stem for p in RECIPES.glob("*.yaml"))
    }


def load_sweep(source: str | Path) -> Sweep:
    """Return the sweep in a file, or one that ships. Raises ConfigError, a line a problem."""
    return decode_sweep(Document.read(_find(str(source))))


def decode_sweep(document: Document) -> Sweep:
    """Return the sweep of a document. Raises ConfigError with one line for each problem."""
    tree = plain(document.mapping(), document.origin)
    try:
        sweep: Sweep = _adapter().validate_json(json.dumps(tree), strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise ConfigError("\n".join(_line(document, detail) for detail in details[:20])) from None
    for number, text in enumerate(sweep.hypotheses):
        try:
            parse(text)
        except ConfigError as error:
            raise ConfigError(f"{_place(document, ['hypotheses', number])}: {error}") from None
    name = check_name(sweep.name or Path(document.origin).stem)
    recipe = sweep.recipe
    beside = Path(document.origin).parent / recipe
    if recipe not in recipes() and beside.is_file():
        recipe = os.fspath(beside)
    return dataclasses.replace(sweep, name=name, recipe=recipe)


@functools.cache
def _adapter() -> TypeAdapter[Sweep]:
    return TypeAdapter(Sweep)


def _find(source: str) -> Path:
    known = sweep_recipes()
    if source in known:
        return known[source]
    path = Path(source)
    if path.suffix in (".yaml", ".yml") or "/" in source or os.path.lexists(source):
        return path / "sweep.yaml" if path.is_dir() else path
    raise ConfigError(
        f"no sweep and no file {source!r}{nearest(source, list(known))} "
        f"(sweeps: {', '.join(known)})"
    )


def _line(document: Document, detail: Any) -> str:
    """Return one problem as `file:line: path: expected, given`."""
    location, kind, given = [*detail["loc"]], detail["type"], detail["input"]
    if kind == "value_error":
        problem = str(detail["ctx"]["error"])
    elif kind == "unexpected_keyword_argument":
        known = [part.name for part in dataclasses.fields(Sweep)] if len(location) == 1 else []
        problem = f"unknown key{nearest(str(location[-1]), known)}"
        problem += f" (known: {', '.join(known)})" if known else ""
    elif kind.startswith("missing"):
        problem = "required, but missing"
    else:
        shown = json.dumps(given, default=str)
        message = (
            detail["msg"].replace("Input should be", "expected").replace("Object", "a section")
        )
        problem = f"{message[0].lower()}{message[1:]}, got {shown[:60]}"
    where = _place(document, location)
    dotted = ".".join(map(str, location))
    return f"{where}: {dotted}: {problem}" if dotted else f"{where}: {problem}"


def _place(document: Document, location: Sequence[str | int]) -> str:
    line = document.line(location)
    return f"{document.origin}:{line}" if line else document.origin
