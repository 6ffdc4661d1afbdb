"""Stochastic gradient descent with momentum."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from grokscope.errors import ConfigError
from grokscope.ops.params import Layout
from grokscope.optim.base import OPTIMIZERS, Decayed, State, Transform, chain
from grokscope.optim.schedule import Schedule
from grokscope.typing import PER_RUN, Ge, Lt, Named


def heavy_ball(momentum: float, *, nesterov: bool) -> Transform:
    """Accumulate b ← μb + g and return b, or g + μb with Nesterov's look-ahead."""

    def update(direction: Tensor, state: Named, params: Tensor, step: int) -> tuple[Tensor, State]:
        velocity = momentum * state["velocity"] + direction
        ahead = direction + momentum * velocity if nesterov else velocity
        return ahead, {"velocity": velocity}

    return Transform(lambda params: {"velocity": torch.zeros_like(params)}, update)


@OPTIMIZERS.register
@dataclass(frozen=True, kw_only=True)
class SGD(Decayed):
    """SGD; weight decay is added to the gradient (L2), as in torch.optim.SGD."""

    kind: Literal["sgd"] = "sgd"
    momentum: Annotated[float, Ge(0), Lt(1), PER_RUN] = 0.0
    """Momentum μ."""
    nesterov: bool = False
    """Look ahead by one momentum step."""

    def __post_init__(self) -> None:
        if self.nesterov and isinstance(self.momentum, (int, float)) and not self.momentum:
            raise ConfigError("nesterov: looks ahead by a momentum step, so momentum must be > 0")

    @property
    def decays_apart(self) -> bool:
        """True without momentum: the velocity holds the decay of earlier steps."""
        return not self.momentum

    def transform(self, layout: Layout, schedule: Schedule) -> Transform:
        """Return clip → decay → momentum → -η."""
        return chain(
            *self.clipping(),
            self.decay(layout),
            heavy_ball(self.momentum, nesterov=self.nesterov),
            *self.rate(layout, schedule),
        )
