"""IDX, the format of MNIST's files: unsigned bytes with their shape before them."""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from grokscope.errors import ConfigError

MOST = 1 << 30
"""Most bytes of an array that is read."""


def read_idx(path: Path, dimensions: int) -> UInt8[Tensor, "..."]:
    """Return the array of a file, which may be compressed by gzip.

    The header is 0, 0, 8 (unsigned bytes), the number of dimensions, and the size of each in four
    bytes, highest first. Raises ConfigError in one line for anything else.
    """
    try:
        with path.open("rb") as plain:
            zipped = plain.read(2) == b"\x1f\x8b"
        with gzip.open(path) if zipped else path.open("rb") as file:
            start = file.read(4)
            if start != bytes((0, 0, 8, dimensions)):
                raise ConfigError(
                    f"task.path: {path}: expected unsigned bytes in {dimensions} dimensions "
                    f"(00 00 08 0{dimensions}), got {start.hex(' ') or 'nothing'}"
                )
            header = file.read(4 * dimensions)
            if len(header) < 4 * dimensions:
                raise ConfigError(f"task.path: {path}: ends inside its header")
            shape = struct.unpack(f">{dimensions}I", header)
            size = int(np.prod(shape, dtype=object))
            if not 0 < size <= MOST:
                raise ConfigError(f"task.path: {path}: says its shape is {shape}")
            content = file.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or f"damaged ({error})"
        raise ConfigError(f"task.path: {path}: {reason}") from None
    if len(content) != size:
        more = "more" if len(content) > size else str(len(content))
        raise ConfigError(f"task.path: {path}: expected {size} bytes of data, got {more}")
    return torch.from_numpy(np.frombuffer(content, dtype=np.uint8).reshape(shape).copy())
