"""Durable writes: what is visible under its final name is complete and on the disk."""

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from grokscope.errors import GrokscopeError, NoValidStateError, StorageError
from grokscope.store import reading

_REMEDY = {
    errno.ENOSPC: "free some space, then resume the run",
    errno.EDQUOT: "free some quota, then resume the run",
    errno.EROFS: "choose a writable place with --out",
    errno.EACCES: "check the permissions, or choose another place with --out",
    errno.EPERM: "check the permissions, or choose another place with --out",
}


_fences: ContextVar[Mapping[Path, Callable[[], None]]] = ContextVar("fences")


@contextlib.contextmanager
def fenced(folder: Path, check: Callable[[], None]) -> Iterator[None]:
    """Call `check` before every rename and removal in a folder; it raises where it is not ours."""
    token = _fences.set({**_fences.get({}), folder: check})
    try:
        yield
    finally:
        _fences.reset(token)


def check_fence(path: Path) -> None:
    """Raise LockedError where another process has become the writer of the folder of `path`."""
    fences = _fences.get({})
    for folder in (path, *path.parents):
        if folder in fences:
            fences[folder]()


@contextlib.contextmanager
def storage(path: Path) -> Iterator[None]:
    """Turn an OSError about `path` into a StorageError that names it and a remedy.

    Raises LockedError instead where another process has become the writer, who may have removed
    what was written to.
    """
    try:
        yield
    except OSError as error:
        check_fence(path)
        remedy = _REMEDY.get(error.errno or 0, "check the disk, then resume the run")
        reason = (error.strerror or str(error)).lower()
        raise StorageError(f"{path}: {reason}; nothing was saved there; {remedy}") from error


def write_file(path: Path, content: bytes) -> None:
    """Write one file durably: temporary file beside it, fsync, rename, fsync of the directory.

    Raises StorageError; the file of that name is then what it was before.
    """
    temporary = _temporary(path)
    with storage(path):
        try:
            _write_synced(temporary, content)
            check_fence(path)
            os.replace(temporary, path)
            _sync_directory(path.parent)
        except (OSError, GrokscopeError):
            temporary.unlink(missing_ok=True)
            raise


def make_directory(path: Path) -> None:
    """Make a directory and its parents, durably; one that exists is left alone."""
    with storage(path):
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        for folder in missing:
            _sync_directory(folder.parent)


def set_aside(path: Path, prefix: str = "damaged") -> Path:
    """Rename a file or directory to a free name beside it; nothing is deleted."""
    number = 0
    while (target := path.with_name(f"{prefix}_{path.name}_{number}")).exists():
        number += 1
    with storage(path):
        check_fence(path)
        path.rename(target)
    return target


def write_directory(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a directory as `appear` does, with a manifest of the SHA-256 of every file."""
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    appear(path, {**files, "manifest.json": to_json({"version": 1, "sha256": hashes})})


def appear(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a directory of files that appears complete or not at all.

    Raises StorageError, also where the directory exists already.
    """
    temporary = _temporary(path)
    with storage(path):
        try:
            temporary.mkdir(parents=True)
            for name, content in files.items():
                _write_synced(temporary / name, content)
            _sync_directory(temporary)
            if path.exists():
                raise FileExistsError(errno.EEXIST, "exists already", str(path))
            check_fence(path)
            os.rename(temporary, path)
            _sync_renamed(temporary, path)
        except (OSError, GrokscopeError):
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def sweep(folder: Path, name: str = "*") -> None:
    """Remove what writers that were killed left half written in a folder, of one name or of all.

    What cannot be removed stays: it is in nobody's way.
    """
    for path in folder.glob(f".{name}.{'?' * 2 * _TOKEN}.tmp"):
        check_fence(path)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


_TOKEN = 4
_NAME = re.compile(r"\w[\w.-]{0,99}")


def _temporary(path: Path) -> Path:
    """Return a name beside `path` that no other writer uses, not even one that was suspended."""
    return path.with_name(f".{path.name}.{secrets.token_hex(_TOKEN)}.tmp")


def damage(path: Path, needed: Collection[str] = ()) -> str:
    """Return what is wrong with a directory written by `write_directory`, or an empty string.

    needed: files without which it is not whole.
    """
    manifest = path / "manifest.json"
    try:
        hashes = reading.mapping(manifest, {"sha256": dict}).get("sha256")
        if hashes is None or not set(needed) <= set(hashes):
            return f"{manifest}: not a manifest"
        for name, expected in hashes.items():
            if not _NAME.fullmatch(name):
                return f"{manifest}: names a file outside its directory: {name[:40]!r}"
            found = hashlib.sha256(reading.content(path / name)).hexdigest()
            if found != expected:
                return f"{path / name}: does not match its SHA-256 in the manifest"
    except NoValidStateError as error:
        return str(error)
    return ""


def to_json(value: Any) -> bytes:
    """Return a value as indented JSON; numbers that are not finite become null."""
    return (json.dumps(_finite(value), indent=2) + "\n").encode()


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _write_synced(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_renamed(temporary: Path, path: Path) -> None:
    """Sync a rename; where that fails, undo it, so that what was not saved is not seen."""
    try:
        _sync_directory(path.parent)
    except OSError:
        os.rename(path, temporary)
        raise


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
