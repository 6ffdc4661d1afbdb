"""YAML documents: read strictly, within limits, and able to say on which line a path stands."""

import contextlib
import functools
import itertools
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    ScalarEvent,
)
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from grokscope.errors import ConfigError

MAX_BYTES = 32_000
MAX_VALUES = 1_000
ROOM = 10
"""How many times more a run may write down than it was given: every field with its default."""
MAX_ALIASES = 32
MAX_DEPTH = 32
_DEEP = re.compile(r"[\[{](?:\s*(?:[&!][^\s\[{]*\s+)?[\[{]){" f"{MAX_DEPTH}}}")
_KEY = re.compile(r"[a-z_]+:[ \n]")
_LINKS = re.compile(r"[&*\r\x85\u2028\u2029]|^---|^\.\.\.", re.MULTILINE)
"""What lets one part of a document change the meaning of another, or of a line's end."""
_UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, AssertionError, AttributeError)
"""What the reader raises at a value that is not what its tag or form says."""


@dataclass(frozen=True)
class Document:
    """The text of a YAML document and where it came from.

    room: how many times the bytes and values of a configuration it may have.
    """

    origin: str
    text: str
    room: int = 1

    @classmethod
    def read(cls, path: Path, *, room: int = 1) -> "Document":
        """Return the document in a file. Raises ConfigError where it cannot be one."""
        try:
            if path.is_dir():
                raise ConfigError(f"{path}: is a directory, expected a YAML file")
            if path.exists() and not path.is_file():
                raise ConfigError(f"{path}: is not a file, expected a YAML file")
            most = room * MAX_BYTES
            if path.stat().st_size > most:
                raise ConfigError(f"{path}: larger than {most:,} bytes, not a configuration")
            return cls(str(path), path.read_bytes().decode("utf-8"), room)
        except UnicodeDecodeError:
            raise ConfigError(f"{path}: not UTF-8 text, expected a YAML file") from None
        except OSError as error:
            raise ConfigError(f"{path}: {(error.strerror or str(error)).lower()}") from None
        except ValueError as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(f"{str(path)!r}: not a file name") from None

    def mapping(self) -> dict[str, Any]:
        """Return the document as plain data. Raises ConfigError in one line."""
        content = self.value()
        if content is None:
            raise ConfigError(f"{self.origin}: is empty, expected a mapping")
        if not isinstance(content, dict):
            kind = type(content).__name__
            raise ConfigError(f"{self.origin}: expected a mapping at the top, got a {kind}")
        return content

    def value(self) -> Any:
        """Return the value of the document: YAML 1.2, so `1e-8` is a number and `no` a word."""
        if (known := self._by_section()) is not None:
            return known
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the reader, about an anchor that is used again
                self._check_limits()
                return None if self._root is None else _constructed(self._root)
        except ConfigError:
            raise
        except DuplicateKeyError as error:
            key = (error.problem or "").partition('"')[2].partition('"')[0]
            raise ConfigError(f"{self._place(error)}: duplicate key {_cut(key)!r}") from None
        except MarkedYAMLError as error:
            raise ConfigError(f"{self._place(error)}: {_oneline(error.problem)}") from None
        except YAMLError as error:
            raise ConfigError(f"{self.origin}: not YAML: {_oneline(str(error))}") from None
        except (*_UNREADABLE, RecursionError):
            raise ConfigError(self._unreadable()) from None

    def line(self, path: Sequence[str | int]) -> int | None:
        """Return the line (from 1) on which the deepest existing part of `path` stands."""
        node, line = self._root, None
        for part in path:
            node, here = _child(node, part)
            line = here or line
        return line

    def _by_section(self) -> dict[str, Any] | None:
        """Return the mapping of a document read section by section, or None where it is no such.

        The configurations of a thousand runs differ in a few lines, and a section that was read
        before is not read again. Only for documents that are too short for too many values, whose
        top level is plain keys, and in which no section can refer to another; all else, and all
        that is wrong, is for `value` to read as a whole.
        """
        lines = self.text.splitlines(keepends=True)
        if self.room == 1 or len(self.text) > self.room * MAX_VALUES or _LINKS.search(self.text):
            return None
        starts = [number for number, line in enumerate(lines) if line[0] not in " -\n"]
        keys = [_KEY.match(lines[start]) for start in starts]
        if not starts or starts[0] or not all(keys):
            return None
        sections = ["".join(lines[a:b]) for a, b in itertools.pairwise([*starts, len(lines)])]
        found: dict[str, Any] = {}
        try:
            for section in sections:
                found |= _copied(_section(section))
        except ConfigError:
            return None
        return found if len(found) == len(sections) else None

    @cached_property
    def _root(self) -> Node | None:
        root: Node | None = _reader().compose(self.text)
        return root

    def _check_limits(self) -> None:
        most = {"levels": MAX_DEPTH, "aliases": MAX_ALIASES, "values": self.room * MAX_VALUES}
        depth = MAX_DEPTH + 1 if _DEEP.search(self.text) else 0
        aliases = values = 0
        for event in () if depth else _reader().parse(self.text):
            if isinstance(event, DocumentStartEvent) and event.version not in (None, (1, 2)):
                raise ConfigError(f"{self.origin}: %YAML: expected 1.2, the version that is read")
            values += isinstance(event, ScalarEvent)
            aliases += isinstance(event, AliasEvent)
            depth += isinstance(event, CollectionStartEvent)
            depth -= isinstance(event, CollectionEndEvent)
            if depth > MAX_DEPTH or aliases > MAX_ALIASES or values > most["values"]:
                break
        found = {"levels": depth, "aliases": aliases, "values": values}
        for what, count in found.items():
            if count > most[what]:
                told = f"more than {most[what]:,} {what}, not a configuration"
                raise ConfigError(f"{self.origin}: {told}")

    def _unreadable(self) -> str:
        """Return which value it is that cannot be read."""
        root = None
        with contextlib.suppress(YAMLError, *_UNREADABLE):
            root = self._root
        for node in _scalars(root):
            try:
                _constructed(node)
            except (YAMLError, *_UNREADABLE):
                line = node.start_mark.line + 1
                what = f"{_cut(str(node.value))!r} is not what its tag or form says"
                return f"{self.origin}:{line}: {what}"
        return f"{self.origin}: not YAML: a value cannot be read"

    def _place(self, error: MarkedYAMLError) -> str:
        mark = error.problem_mark or error.context_mark
        return self.origin if mark is None else f"{self.origin}:{mark.line + 1}"


class _Reader(YAML):
    """A reader that does not look for plug-ins on the disk, which takes longer than reading."""

    def official_plug_ins(self) -> list[str]:
        """Return none."""
        return []


def _reader() -> YAML:
    return _Reader(typ="safe", pure=True)


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


@functools.lru_cache(maxsize=1024)
def _section(text: str) -> dict[str, Any]:
    """Return one key of a document with its value. Raises ConfigError for anything else."""
    found = Document("section", text).mapping()
    if len(found) != 1:
        raise ConfigError("section: not one key")
    return found


def _child(node: Node | None, part: str | int) -> tuple[Node | None, int | None]:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return value, key.start_mark.line + 1
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        item = node.value[part]
        return item, item.start_mark.line + 1
    return None, None


def _constructed(node: Node) -> Any:
    return _reader().constructor.construct_document(node)


def _scalars(node: Node | None, depth: int = 0) -> Iterator[ScalarNode]:
    """Yield the scalars below a node."""
    if isinstance(node, ScalarNode):
        yield node
    elif node is not None and depth <= MAX_DEPTH:
        for part in node.value:
            for child in part if isinstance(part, tuple) else (part,):
                yield from _scalars(child, depth + 1)


def _oneline(text: str | None) -> str:
    return _cut(" ".join((text or "not YAML").split()), 300)


def _cut(text: str, most: int = 60) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."
