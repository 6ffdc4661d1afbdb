"""Registries: the parts of each kind, found by looking into a package and at entry points."""

import difflib
import importlib
import pkgutil
import warnings
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from typing import Generic, TypeVar, cast

from grokscope.errors import ConfigError

T = TypeVar("T")
C = TypeVar("C", bound=type)


def nearest(name: str, known: list[str]) -> str:
    """Return `; did you mean 'x'?` for the closest of `known`, or an empty string."""
    match = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {match[0]!r}?" if match else ""


class Registry(Mapping[str, T], Generic[T]):
    """Every part of one kind by name.

    The modules of `package` and the entry points `grokscope.<kind>` are imported at the first
    look-up, so a part exists as soon as its file does: nothing is listed anywhere.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self._package = package
        self._parts: dict[str, T] = {}
        self._loaded = False

    def add(self, name: str, part: T) -> None:
        """Register `part`; raise ConfigError where another part has the name already."""
        if name in self._parts:
            raise ConfigError(f"{self.kind}: the name {name!r} is taken by {self._parts[name]!r}")
        self._parts[name] = part

    def register(self, part: C) -> C:
        """Register a configuration class under the default of its `kind` field (a decorator)."""
        self.add(vars(part)["kind"], cast(T, part))
        return part

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        package = importlib.import_module(self._package)
        for module in sorted(m.name for m in pkgutil.iter_modules(package.__path__)):
            importlib.import_module(f"{self._package}.{module}")
        for point in entry_points(group=f"grokscope.{self.kind}"):
            try:
                point.load()
            except Exception as error:
                warnings.warn(
                    f"entry point {point.name!r} of grokscope.{self.kind}: cannot load "
                    f"{point.value}: {error}",
                    stacklevel=2,
                )

    def __getitem__(self, name: str) -> T:
        self._load()
        if name not in self._parts:
            known = sorted(self._parts)
            raise ConfigError(
                f"unknown {self.kind} {name!r}{nearest(name, known)} (known: {', '.join(known)})"
            )
        return self._parts[name]

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._parts

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._parts))

    def __len__(self) -> int:
        self._load()
        return len(self._parts)
