"""Histories as CSV and JSON."""

from pathlib import Path
from typing import Any

import polars as pl

from grokscope.errors import ConfigError
from grokscope.store.durable import to_json, write_file


def export(history: pl.DataFrame, summary: dict[str, Any], path: Path) -> None:
    """Write a history as `.csv`, or with its summary as `.json`.

    Raises ConfigError for another ending or a file that exists.
    """
    if path.exists():
        raise ConfigError(f"{path}: exists already and is never overwritten")
    if path.suffix == ".csv":
        content = history.write_csv().encode()
    elif path.suffix == ".json":
        columns = history.to_dict(as_series=False)
        content = to_json({"summary": summary, "history": columns})
    else:
        raise ConfigError(f"{path}: expected a name that ends in .csv or .json")
    write_file(path, content)
