"""How far the embedding is from a line (part of Q11; Liu et al. 2022, arXiv:2205.10343)."""

import functools

import torch
from jaxtyping import Int
from torch import Tensor

from grokscope.metrics.base import metric
from grokscope.metrics.embedding import first_embedding
from grokscope.ops.parallelograms import gaps, parallelograms, sums
from grokscope.snapshot import Snapshot

TOLERANCE = 0.01
"""Gap over the root mean square row of the centered table up to which one closes: the paper's."""
PART = 4096
"""Parallelograms whose corners are held at once."""


@metric(
    label="Parallelograms that close",
    group="Fourier",
    cost="heavy",
    source="Liu et al. 2022, arXiv:2205.10343",
    also=("parallelogram_gap",),
)
def representation_quality(snapshot: Snapshot) -> dict[str, Tensor]:
    """RQI: share of parallelograms i + j = m + n with ‖E_i + E_j - E_m - E_n‖ <= .01, and mean gap.

    E is the embedding of the first operand, centered and divided by its root mean square row; sums
    are those of integers, so a line gives 1 and a circle does not. `parallelogram_gap`, the mean of
    the norm, is 2 for a random table of many columns and falls where the share still is 0.
    Raises ScienceError for a network without a table of symbols.
    """
    table = first_embedding(snapshot).double()
    centered = table - table.mean(0)
    scaled = centered / centered.square().sum(1).mean().sqrt()
    corners = _permissible(len(table)).to(table.device)
    parts = torch.split(corners, PART)
    length = torch.cat([gaps(scaled, part) for part in parts])
    closed = (length <= TOLERANCE).double().mean()
    return {"representation_quality": closed, "parallelogram_gap": length.mean()}


@functools.lru_cache(maxsize=4)
def _permissible(p: int) -> Int[Tensor, "m 4"]:
    return parallelograms(sums(p))
