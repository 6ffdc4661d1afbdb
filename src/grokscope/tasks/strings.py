"""Strings over an alphabet: all of them, or a sample without repetition."""

import torch
from jaxtyping import Int
from torch import Tensor

from grokscope.errors import ConfigError
from grokscope.ops.streams import distinct, stream

MOST = 1 << 20
"""Most strings of which all are made."""


def check_strings(size: int, length: int, examples: int | None) -> None:
    """Raise ConfigError where there are not so many strings, or too many to make them all."""
    whole = size**length
    if examples is None and whole > MOST:
        raise ConfigError(f"examples: all {size}^{length} are too many; give a number")
    if examples is not None and examples > whole:
        raise ConfigError(
            f"examples: there are only {whole} strings of length {length}; null takes all"
        )


def strings(
    size: int, length: int, examples: int | None, *, draw: int, name: str
) -> Int[Tensor, "n length"]:
    """Return strings of symbols 0..size-1, one a row.

    All of them in lexicographic order, or as many different ones as asked for, in the order in
    which the stream `name` draws them.
    """
    if examples is None:
        numbers = torch.arange(size**length)
    else:
        numbers = torch.from_numpy(distinct(stream(draw, name), examples, size**length))
    places = torch.tensor([size**place for place in range(length - 1, -1, -1)])
    return numbers.unsqueeze(1) // places % size
