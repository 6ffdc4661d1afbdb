"""Grokfast: the slow part of the gradient amplified (Lee et al. 2024, arXiv:2405.20233)."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from grokscope.ops.params import Layout
from grokscope.optim.base import OPTIMIZERS, State, Transform
from grokscope.optim.filtered import Filtered
from grokscope.typing import PER_RUN, Ge, Gt, Lt, Named


def amplify_average(alpha: float, amplification: float) -> Transform:
    """Return g + λμ with μ ← αμ + (1 - α)g, which starts at the first gradient."""

    def update(direction: Tensor, state: Named, params: Tensor, step: int) -> tuple[Tensor, State]:
        slow = direction if step == 0 else alpha * state["slow"] + (1 - alpha) * direction
        return direction + amplification * slow, {"slow": slow}

    return Transform(lambda params: {"slow": torch.zeros_like(params)}, update)


def amplify_window(window: int, amplification: float) -> Transform:
    """Return g + λ·(mean of the last gradients), and g alone until the window is full.

    The gradients stand in a ring: that of step t in row t mod window.
    """

    def init(params: Tensor) -> State:
        return {"gradients": params.new_zeros(window, *params.shape)}

    def update(direction: Tensor, state: Named, params: Tensor, step: int) -> tuple[Tensor, State]:
        row, ring = step % window, state["gradients"]
        ring = torch.cat([ring[:row], direction.unsqueeze(0), ring[row + 1 :]])
        if step + 1 >= window:
            direction = direction + amplification * ring.mean(0)
        return direction, {"gradients": ring}

    return Transform(init, update)


@OPTIMIZERS.register
@dataclass(frozen=True, kw_only=True)
class GrokfastEMA(Filtered):
    """Grokfast with a moving average μ ← αμ + (1 - α)g; the base takes g + λμ.

    μ starts at the first gradient, as in the authors' code, so a constant gradient becomes (1 + λ)g
    at once. Weight decay of the base is not amplified.
    """

    kind: Literal["grokfast_ema"] = "grokfast_ema"
    alpha: Annotated[float, Ge(0), Lt(1), PER_RUN] = 0.98
    """Decay α of the average: it remembers about 1/(1 - α) steps."""
    amplification: Annotated[float, Ge(0), PER_RUN] = 2.0
    """Factor λ on the average; 0 leaves the base alone."""

    def filter(self, layout: Layout) -> Transform:
        """Return the amplification of the average."""
        return amplify_average(self.alpha, self.amplification)


@OPTIMIZERS.register
@dataclass(frozen=True, kw_only=True)
class GrokfastMA(Filtered):
    """Grokfast with the mean of a window of gradients; the base takes g + λ·mean.

    Inactive until the window is full, as in the authors' code: the first update it changes is
    number `window`. It keeps the whole window, so state and checkpoints are `window` times as
    large as the network.
    """

    kind: Literal["grokfast_ma"] = "grokfast_ma"
    window: Annotated[int, Gt(0)] = 100
    """Gradients in the window, the present one included."""
    amplification: Annotated[float, Ge(0), PER_RUN] = 5.0
    """Factor λ on the mean; 0 leaves the base alone."""

    def filter(self, layout: Layout) -> Transform:
        """Return the amplification of the mean."""
        return amplify_window(self.window, self.amplification)
