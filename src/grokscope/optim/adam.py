"""Adam and AdamW."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from grokscope.ops.moments import adam_direction
from grokscope.ops.params import Layout
from grokscope.optim.base import OPTIMIZERS, Decayed, State, Transform, chain
from grokscope.optim.schedule import Schedule
from grokscope.typing import PER_RUN, Ge, Gt, Lt, Named


def scale_by_adam(beta1: float, beta2: float, eps: float) -> Transform:
    """Return m̂/(√v̂ + ε) with bias-corrected moments (Kingma & Ba 2015, algorithm 1)."""

    def init(params: Tensor) -> State:
        return {"exp_avg": torch.zeros_like(params), "exp_avg_sq": torch.zeros_like(params)}

    def update(direction: Tensor, state: Named, params: Tensor, step: int) -> tuple[Tensor, State]:
        moments = state["exp_avg"], state["exp_avg_sq"]
        scaled, mean, square = adam_direction(
            direction, *moments, betas=(beta1, beta2), eps=eps, step=step
        )
        return scaled, {"exp_avg": mean, "exp_avg_sq": square}

    return Transform(init, update)


@dataclass(frozen=True, kw_only=True)
class Moments(Decayed):
    """The fields of every optimizer with two moments."""

    betas: tuple[Annotated[float, Ge(0), Lt(1)], Annotated[float, Ge(0), Lt(1)]] = (0.9, 0.999)
    """Decay rates of the first and second moment."""
    eps: Annotated[float, Gt(0), PER_RUN] = 1e-8
    """ε, added to the root of the second moment."""

    def moments(self) -> Transform:
        """Return the transform that divides the first moment by the root of the second."""
        return scale_by_adam(*self.betas, self.eps)


@OPTIMIZERS.register
@dataclass(frozen=True, kw_only=True)
class Adam(Moments):
    """Adam; weight decay is added to the gradient (L2), as in torch.optim.Adam."""

    kind: Literal["adam"] = "adam"

    def transform(self, layout: Layout, schedule: Schedule) -> Transform:
        """Return clip → decay → moments → -η."""
        rate = self.rate(layout, schedule)
        return chain(*self.clipping(), self.decay(layout), self.moments(), *rate)


@OPTIMIZERS.register
@dataclass(frozen=True, kw_only=True)
class AdamW(Moments):
    """AdamW: decay apart from the moments (Loshchilov & Hutter 2019), as in torch.optim.AdamW."""

    kind: Literal["adamw"] = "adamw"

    @property
    def decays_apart(self) -> bool:
        """True: decay never enters the moments."""
        return True

    def transform(self, layout: Layout, schedule: Schedule) -> Transform:
        """Return clip → moments → decay → -η."""
        rate = self.rate(layout, schedule)
        return chain(*self.clipping(), self.moments(), self.decay(layout), *rate)
