"""Initialization: an explicit, recorded part of a model. It moves grokking time several-fold."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from grokscope.ops.params import Entry
from grokscope.ops.streams import normals, stream, uniforms
from grokscope.typing import PER_RUN, STRICT, Gt


@dataclass(frozen=True, kw_only=True)
class Init:
    """How weights and embeddings are drawn. Biases start at 0, gains of norms at 1."""

    __pydantic_config__ = STRICT

    scheme: Literal["fan_in_normal", "fan_in_uniform", "he_normal", "width_normal"] = (
        "fan_in_normal"
    )
    """`fan_in_normal`: N(0, s²/fan_in) (LeCun). `fan_in_uniform`: U(±s/√fan_in), the default of
    torch.nn.Linear. `he_normal`: N(0, 2s²/fan_in). `width_normal`: N(0, s²/d) with the width d of
    the network for every tensor (Nanda et al. 2023)."""
    scale: Annotated[float, Gt(0), PER_RUN] = 1.0
    """The factor s."""


def draw(init: Init, entry: Entry, width: int, seed: int) -> Tensor:
    """Return the flat initial values of one tensor in float64, from the stream of its name.

    The fan-in of an embedding is its dimension: its rows then have unit expected norm.
    """
    if entry.role == "bias":
        return torch.zeros(entry.size, dtype=torch.float64)
    if entry.role == "norm":
        gain = 0.0 if entry.name.endswith("bias") else 1.0
        return torch.full((entry.size,), gain, dtype=torch.float64)
    rng = stream(seed, f"init/{entry.name}")
    fan_in = width if init.scheme == "width_normal" else entry.fan_in
    if init.scheme == "fan_in_uniform":
        values = (2 * uniforms(rng, entry.size) - 1) * init.scale / math.sqrt(fan_in)
    else:
        gain = 2.0 if init.scheme == "he_normal" else 1.0
        values = normals(rng, entry.size) * init.scale * math.sqrt(gain / fan_in)
    return torch.from_numpy(values)
