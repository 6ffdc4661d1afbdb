"""The L2 penalty."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from grokscope.objectives.base import PENALTIES, Penalty
from grokscope.typing import Named


@PENALTIES.register
@dataclass(frozen=True, kw_only=True)
class L2(Penalty):
    """½‖θ‖² over all parameters: weight decay as part of the loss."""

    kind: Literal["l2"] = "l2"

    def value(self, apply: Callable[[Any], Tensor], params: Named, prepared: Any) -> Tensor:
        """Return half the squared norm of the parameters."""
        squares = [parameter.square().sum() for parameter in params.values()]
        return torch.stack(squares).sum() / 2
