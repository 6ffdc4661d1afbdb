"""YAML documents: read strictly, within limits, and able to say on which line a path stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from grokscope.errors import ConfigError

MAX_BYTES = 1_000_000
MAX_ALIASES = 32
MAX_DEPTH = 32


@dataclass(frozen=True)
class Document:
    """The text of a YAML document and where it came from."""

    origin: str
    text: str

    @classmethod
    def read(cls, path: Path) -> "Document":
        """Return the document in a file. Raises ConfigError where it cannot be one."""
        try:
            if path.is_dir():
                raise ConfigError(f"{path}: is a directory, expected a YAML file")
            if path.exists() and not path.is_file():
                raise ConfigError(f"{path}: is not a file, expected a YAML file")
            if path.stat().st_size > MAX_BYTES:
                raise ConfigError(f"{path}: larger than {MAX_BYTES:,} bytes, not a configuration")
            return cls(str(path), path.read_bytes().decode("utf-8"))
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
        try:
            self._check_limits()
            return YAML(typ="safe", pure=True).load(self.text)
        except DuplicateKeyError as error:
            key = (error.problem or "").partition('"')[2].partition('"')[0]
            raise ConfigError(f"{self._place(error)}: duplicate key {key!r}") from None
        except MarkedYAMLError as error:
            raise ConfigError(f"{self._place(error)}: {_oneline(error.problem)}") from None
        except (YAMLError, ValueError, RecursionError) as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(f"{self.origin}: not YAML: {_oneline(str(error))}") from None

    def line(self, path: Sequence[str | int]) -> int | None:
        """Return the line (from 1) on which the deepest existing part of `path` stands."""
        node, line = self._root, None
        for part in path:
            node, here = _child(node, part)
            line = here or line
        return line

    @cached_property
    def _root(self) -> Node | None:
        root: Node | None = YAML(typ="safe", pure=True).compose(self.text)
        return root

    def _check_limits(self) -> None:
        depth = aliases = 0
        for event in YAML(typ="safe", pure=True).parse(self.text):
            aliases += isinstance(event, AliasEvent)
            depth += isinstance(event, CollectionStartEvent)
            depth -= isinstance(event, CollectionEndEvent)
            if depth > MAX_DEPTH or aliases > MAX_ALIASES:
                what = f"{MAX_DEPTH} levels" if depth > MAX_DEPTH else f"{MAX_ALIASES} aliases"
                raise ConfigError(f"{self.origin}: more than {what}, not a configuration")

    def _place(self, error: MarkedYAMLError) -> str:
        mark = error.problem_mark or error.context_mark
        return self.origin if mark is None else f"{self.origin}:{mark.line + 1}"


def _child(node: Node | None, part: str | int) -> tuple[Node | None, int | None]:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return value, key.start_mark.line + 1
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        item = node.value[part]
        return item, item.start_mark.line + 1
    return None, None


def _oneline(text: str | None) -> str:
    return " ".join((text or "not YAML").split())
