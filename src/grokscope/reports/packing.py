"""Figures as little text: arrays as bytes, each once, and everything compressed."""

import base64
import gzip
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

LEAST = 8
"""Numbers from which on an array is worth its own entry."""

INTEGERS = ("i1", "u1", "i2", "u2", "i4")

Array = npt.NDArray[Any]


def compress(text: str) -> str:
    """Return text as gzip in base64; equal text gives equal bytes."""
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=9, mtime=0)).decode()


def expand(packed: str) -> str:
    """Return the text that `compress` was given."""
    return gzip.decompress(base64.b64decode(packed)).decode()


def pack(figures: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return figures as `{"arrays", "figures"}`: in place of an array of numbers stands its place.

    An array is `{"dtype", "shape", "bytes"}`, little-endian, in the smallest kind that holds every
    number of it exactly; null is NaN. Arrays that occur twice are there once.
    """
    places: dict[tuple[str, tuple[int, ...], bytes], int] = {}

    def walk(tree: Any) -> Any:
        if isinstance(tree, dict):
            if "bdata" in tree and "dtype" in tree:
                return place(_decoded(tree))
            return {key: walk(item) for key, item in tree.items()}
        if isinstance(tree, list):
            array = _numbers(tree)
            return [walk(item) for item in tree] if array is None else place(array)
        return tree

    def place(array: Array) -> dict[str, int]:
        small = _smallest(array)
        key = (small.dtype.str[1:], small.shape, small.tobytes())
        return {"packed": places.setdefault(key, len(places))}

    packed = [
        {key: walk(item) if key in ("data", "frames") else item for key, item in figure.items()}
        for figure in figures
    ]
    arrays = [
        {"dtype": dtype, "shape": list(shape), "bytes": base64.b64encode(content).decode()}
        for dtype, shape, content in places
    ]
    return {"arrays": arrays, "figures": packed}


def unpack(bundle: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the figures of `pack`, arrays as lists and NaN as None: what the page's script does.

    >>> unpack(pack([{"data": [{"y": [0.5, None] * 4}]}]))[0]["data"][0]["y"][:2]
    [0.5, None]
    """
    arrays = []
    for one in bundle["arrays"]:
        flat = np.frombuffer(base64.b64decode(one["bytes"]), dtype=f"<{one['dtype']}")
        arrays.append(flat.reshape(one["shape"]).tolist())

    def walk(tree: Any) -> Any:
        if isinstance(tree, dict):
            if "packed" in tree:
                return _without_nan(arrays[tree["packed"]])
            return {key: walk(item) for key, item in tree.items()}
        return [walk(item) for item in tree] if isinstance(tree, list) else tree

    return [walk(figure) for figure in bundle["figures"]]


def script(value: Any) -> str:
    """Return JSON that may stand inside a script element: no `<` survives."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _numbers(items: list[Any]) -> Array | None:
    """Return a list, or lists of equal length, as an array; None where it is not of numbers."""
    rows = items if items and all(isinstance(item, list) for item in items) else [items]
    if len({len(row) for row in rows}) != 1 or len(rows) * len(rows[0]) < LEAST:
        return None
    kinds = {type(value) for row in rows for value in row}
    if not kinds <= {int, float, type(None)} or kinds == {type(None)}:
        return None
    if any(type(value) is int and abs(value) > 2**53 for row in rows for value in row):
        return None
    array = np.array(rows, dtype=np.int64 if kinds == {int} else np.float64)
    return array if rows is items else array[0]


def _smallest(array: Array) -> Array:
    if array.dtype.kind in "iu":
        for kind in INTEGERS:
            limits = np.iinfo(kind)
            if array.size and limits.min <= array.min() and array.max() <= limits.max:
                return array.astype(f"<{kind}")
        return array.astype("<f8")
    with np.errstate(over="ignore"):
        short = array.astype("<f4")
    exact = np.array_equal(short.astype(np.float64), array.astype(np.float64), equal_nan=True)
    return short if exact else array.astype("<f8")


def _decoded(spec: dict[str, Any]) -> Array:
    """Return an array that plotly has written as bytes."""
    flat = np.frombuffer(base64.b64decode(spec["bdata"]), dtype=f"<{spec['dtype']}")
    shape = spec.get("shape")
    return flat if shape is None else flat.reshape([int(n) for n in str(shape).split(",")])


def _without_nan(tree: Any) -> Any:
    if isinstance(tree, list):
        return [_without_nan(item) for item in tree]
    return None if tree != tree else tree  # noqa: PLR0124 - NaN
