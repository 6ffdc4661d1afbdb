"""Reading the files of a run, whoever put them there: nothing blocks, nothing fills the memory."""

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grokscope.errors import NoValidStateError
from grokscope.ops.memory import free_memory

LARGEST_TEXT = 16 << 20
SHARE = 0.5
"""How much of the free memory one file may take; what is made of it takes as much again."""


def content(path: Path, limit: int | None = None) -> bytes:
    """Return the bytes of a file. Raises NoValidStateError for what is none, or too large.

    limit: the most bytes it may have, by default a share of the free memory.
    """
    limit = int(SHARE * free_memory()) if limit is None else limit
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise NoValidStateError(f"{path}: is not a file")
            if found.st_size > limit:
                raise NoValidStateError(
                    f"{path}: {found.st_size:,} bytes are more than it can have"
                )
            return file.read(found.st_size + 1)
    except FileNotFoundError:
        raise NoValidStateError(f"{path}: missing") from None
    except OSError as error:
        raise NoValidStateError(f"{path}: {(error.strerror or str(error)).lower()}") from None


def mapping(path: Path, kinds: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what a file of JSON holds. Raises NoValidStateError where that is no mapping.

    kinds: the type, or types, of values by key; a key that is missing is not looked at.
    """
    text = content(path, LARGEST_TEXT)
    try:
        found = json.loads(text)
        json.dumps(found, ensure_ascii=False).encode()  # words that no file can hold
    except (ValueError, RecursionError):
        raise NoValidStateError(f"{path}: not JSON") from None
    if not isinstance(found, dict):
        raise NoValidStateError(f"{path}: expected a section, got {_shown(found)}")
    for key, kind in (kinds or {}).items():
        if key in found and not isinstance(found[key], kind):
            raise NoValidStateError(f"{path}: {key}: cannot be {_shown(found[key])}")
    return found


def check_inside(folder: Path) -> None:
    """Raise NoValidStateError where a folder of a run is a link: a run writes into itself alone."""
    if folder.is_symlink():
        raise NoValidStateError(f"{folder}: is a link, and nothing is written through it")


def _shown(value: Any) -> str:
    return repr(value)[:40]
