"""From a RunConfig to plain data, YAML text and the hash that is a run's identity."""

import dataclasses
import hashlib
import io
import json
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import SafeRepresenter

from grokscope.config.schema import RunConfig

LABELS = ("name", "notes", "tags")
LENGTH = ("steps", "stop")
MANNER = ("threads",)


def encode(config: Any) -> dict[str, Any]:
    """Return a configuration as nested dicts and lists with every field spelled out."""
    return {part.name: _plain(getattr(config, part.name)) for part in dataclasses.fields(config)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        names = [part.name for part in dataclasses.fields(value)]
        return {name: _plain(getattr(value, name)) for name in sorted(names, key=_kind_first)}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _kind_first(name: str) -> bool:
    return name != "kind"


class _Representer(SafeRepresenter):
    """Writes text that holds more than printable characters in double quotes, with escapes."""

    def represent_text(self, text: str) -> ScalarNode:
        """Return the node of a text."""
        plain = text.isprintable() and not text.startswith("?")
        style = None if plain else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Representer.add_representer(str, _Representer.represent_text)


def to_yaml(config: RunConfig) -> str:
    """Return the configuration as YAML 1.2; decoding it gives the same configuration."""
    stream = io.StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = None
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    writer.width = 100
    writer.Representer = _Representer
    writer.dump(encode(config), stream)
    return stream.getvalue()


def identity(config: RunConfig) -> str:
    """Return the SHA-256 of everything that decides the numbers at each step.

    Name, notes and tags do not, nor the number of threads; neither do `steps` and `stop`, which
    only say how far a run goes: of two runs with one identity the longer one begins like the
    shorter one.
    """
    ignored = LABELS + LENGTH + MANNER
    tree = {key: value for key, value in encode(config).items() if key not in ignored}
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
