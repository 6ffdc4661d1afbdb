"""The few layers all models share."""

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grokscope.ops.products import linear

Activation: TypeAlias = Literal["relu", "gelu", "quadratic", "tanh"]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "quadratic": torch.square,
    "tanh": torch.tanh,
}


class Linear(nn.Module):
    """x ↦ x Wᵀ + b with W [out, in]; unlike torch's it draws nothing at construction."""

    def __init__(self, n_in: int, n_out: int, *, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n_out, n_in))
        self.bias = nn.Parameter(torch.zeros(n_out)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the affine image, shape [..., out]."""
        return linear(x, self.weight, self.bias)


class Table(nn.Module):
    """One learned row of `dim` numbers for each of `size` symbols or positions."""

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size, dim))
        self.roles = {"weight": ("embedding", dim)}

    def forward(self, symbols: Tensor) -> Tensor:
        """Return the rows of `symbols` [m], shape [m, dim]."""
        return self.weight.index_select(0, symbols)
