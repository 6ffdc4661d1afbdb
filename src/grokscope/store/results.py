"""Results of analyses: scalars and named arrays, stored by the hash of their options."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from grokscope._registry import Registry
from grokscope.errors import NoValidStateError
from grokscope.ops.memory import check_memory
from grokscope.store import reading
from grokscope.store.durable import damage, make_directory, set_aside, to_json, write_directory

Scalars: TypeAlias = dict[str, Any]
Arrays: TypeAlias = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Result:
    """What an analysis found: scalars by name, arrays by name, and how it was made."""

    analysis: str
    scalars: Scalars
    arrays: Arrays = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Analysis:
    """A function of a run with what is needed to show it; its keyword arguments are options.

    lasting: whether the options name every saved step it reads, so that its results outlast
    further training. reads: another analysis whose newest stored result it starts from.
    """

    name: str
    function: Callable[..., tuple[Scalars, Arrays]]
    label: str
    source: str
    lasting: bool = False
    reads: str = ""


ANALYSES: Registry[Analysis] = Registry("analysis", "grokscope.analyses")


def analysis(
    *, label: str, source: str = "", lasting: bool = False, reads: str = ""
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function `(run, *, options) -> (scalars, arrays)` under its own name."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        name = function.__name__
        ANALYSES.add(name, Analysis(name, function, label, source, lasting, reads))
        return function

    return decorate


def cached(
    run: Path, name: str, provenance: Mapping[str, Any], make: Callable[[], tuple[Scalars, Arrays]]
) -> Result:
    """Return the stored result of this provenance (options, step), or make and store it."""
    digest = hashlib.sha256(json.dumps(provenance, sort_keys=True, default=str).encode())
    path = run / "results" / name / digest.hexdigest()[:16]
    if path.exists():
        if not damage(path, ("result.json",)):
            return read(path)
        _check_inside(path)
        set_aside(path)
    scalars, arrays = make()
    result = Result(name, scalars, arrays, dict(provenance))
    write(path, result)
    return result


def write(path: Path, result: Result) -> None:
    """Write a result as `result.json` and `arrays.npz` (no pickle)."""
    content = {"version": 1, "analysis": result.analysis, "scalars": result.scalars}
    files = {"result.json": to_json(content | {"provenance": result.provenance})}
    if result.arrays:
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **result.arrays)
        files["arrays.npz"] = buffer.getvalue()
    _check_inside(path)
    make_directory(path.parent)
    write_directory(path, files)


def _check_inside(path: Path) -> None:
    for folder in (path, path.parent, path.parent.parent):
        reading.check_inside(folder)


def read(path: Path, *, arrays: bool = True) -> Result:
    """Return a stored result, on demand without its arrays.

    Raises NoValidStateError where it is none.
    """
    kinds = {"analysis": str, "scalars": dict, "provenance": dict}
    content = reading.mapping(path / "result.json", kinds)
    if not set(kinds) <= set(content):
        raise NoValidStateError(f"{path / 'result.json'}: not a result")
    found = _arrays(path / "arrays.npz") if arrays and (path / "arrays.npz").exists() else {}
    return Result(content["analysis"], content["scalars"], found, content["provenance"])


def _arrays(path: Path) -> Arrays:
    content = reading.content(path)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        check_memory(unpacked, str(path))
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, EOFError, ValueError, KeyError, MemoryError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:120]
        raise NoValidStateError(f"{path}: not an archive of arrays ({reason})") from None


def paths(run: Path, name: str = "*") -> list[Path]:
    """Return the directories of a run's stored results, of one analysis or of all, oldest first."""
    found = [path for path in (run / "results").glob(f"{name}/*/") if path.name.isalnum()]
    return sorted(found, key=lambda path: path.stat().st_mtime)


def stored(run: Path, name: str = "*", *, arrays: bool = True) -> dict[str, Result]:
    """Return the newest valid result of each analysis of a run, or of the one of that name."""
    found: dict[str, Result] = {}
    for path in reversed(paths(run, name)):
        if path.parent.name not in found and not damage(path, ("result.json",)):
            found[path.parent.name] = read(path, arrays=arrays)
    return dict(sorted(found.items()))
