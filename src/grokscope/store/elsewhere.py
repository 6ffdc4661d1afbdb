"""Curves that another program stored in one file: CSV, JSON, JSON lines or Parquet."""

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from grokscope._registry import nearest
from grokscope.errors import ConfigError
from grokscope.store import reading

_BROKEN = (
    pl.exceptions.PolarsError,
    pa.ArrowException,
    ValueError,
    TypeError,
    OSError,
    RecursionError,
)


def read_columns(path: Path, names: Mapping[str, str]) -> pl.DataFrame:
    """Return columns of a file as Float64 under the keys of `names`, which say what it calls them.

    JSON holds a list of rows, or lists by column, as such or under the key `history`. Raises
    ConfigError for a file that cannot be read, a column it lacks and one that holds no numbers.
    """
    if path.suffix not in _READERS:
        raise ConfigError(f"{path}: expected a name that ends in {', '.join(_READERS)}")
    content = reading.content(path)
    try:
        frame = _READERS[path.suffix](content)
    except _BROKEN as error:
        reason = " ".join(str(error).split())[:120]
        raise ConfigError(f"{path}: cannot be read as {path.suffix} ({reason})") from None
    found = {}
    for key, name in names.items():
        if name not in frame.columns:
            close = nearest(name, frame.columns) or f"; say {key}=COLUMN"
            there = ", ".join(frame.columns[:20])
            raise ConfigError(f"{path}: no column {name!r}{close} (it has: {there})")
        try:
            found[key] = frame[name].cast(pl.Float64)
        except pl.exceptions.PolarsError:
            raise ConfigError(f"{path}: {name}: expected a column of numbers") from None
    return pl.DataFrame(found)


def _from_json(content: bytes) -> pl.DataFrame:
    tree: Any = json.loads(content)
    if isinstance(tree, dict) and isinstance(tree.get("history"), (dict, list)):
        tree = tree["history"]
    if not isinstance(tree, (dict, list)):
        raise ValueError("expected rows or columns")
    return pl.DataFrame(tree, infer_schema_length=None, strict=False)


_READERS: dict[str, Callable[[bytes], pl.DataFrame]] = {
    ".csv": lambda content: pl.read_csv(io.BytesIO(content), infer_schema_length=None),
    ".json": _from_json,
    ".jsonl": lambda content: pl.read_ndjson(io.BytesIO(content), infer_schema_length=None),
    ".parquet": lambda content: pl.DataFrame(
        pl.from_arrow(pq.read_table(pa.BufferReader(content)))
    ),
}
