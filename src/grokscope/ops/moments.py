"""The moments of Adam in one pass over the parameters."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.ops import kernels
from grokscope.ops.function import Function
from grokscope.ops.lanes import each

SLICE = 1 << 16
"""Parameters a lane takes at a time."""


def adam_direction(
    gradient: Float[Tensor, " size"],
    mean: Float[Tensor, " size"],
    square: Float[Tensor, " size"],
    *,
    betas: tuple[float, float],
    eps: float | Tensor,
    step: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return m̂/(√v̂ + ε) and the new moments m and v, where `step` counts updates from 0."""
    found: tuple[Tensor, Tensor, Tensor]
    found = _Adam.apply(gradient, mean, square, eps, *betas, step)  # type: ignore[no-untyped-call]
    return found


def adam_direction_plainly(
    gradient: Tensor,
    mean: Tensor,
    square: Tensor,
    *,
    betas: tuple[float, float],
    eps: float | Tensor,
    step: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the same by one operation after another: the twin of `adam_direction`."""
    mean = mean.lerp(gradient, 1 - betas[0])
    square = (betas[1] * square).addcmul(gradient, gradient, value=1 - betas[1])
    root = (square / (1 - betas[1] ** (step + 1))).sqrt()
    return (mean / (1 - betas[0] ** (step + 1))) / (root + eps), mean, square


class _Adam(Function):
    """Compiled on a CPU; never differentiated."""

    @staticmethod
    def forward(
        gradient: Tensor,
        mean: Tensor,
        square: Tensor,
        eps: float | Tensor,
        beta1: float,
        beta2: float,
        step: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        if gradient.device.type != "cpu":
            return adam_direction_plainly(
                gradient, mean, square, betas=(beta1, beta2), eps=eps, step=step
            )
        outputs = [torch.empty_like(mean) for _ in range(3)]
        arrays = [x.detach().contiguous().numpy() for x in (gradient, mean, square, *outputs)]
        corrections = (1 - beta1 ** (step + 1), 1 - beta2 ** (step + 1))
        scalars = (1 - beta1, beta2, 1 - beta2, *corrections, float(eps))
        numbers = np.array(scalars, dtype=arrays[0].dtype)

        def slice_from(start: int) -> None:
            pieces = (x[start : start + SLICE] for x in arrays)
            kernels.adam_slice(*pieces, numbers)

        each(slice_from, range(0, gradient.numel(), SLICE))
        return outputs[0], outputs[1], outputs[2]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.mark_non_differentiable(*output)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> Any:
        *tensors, beta1, beta2, step = inputs

        def plain(gradient: Tensor, mean: Tensor, square: Tensor, eps: Any) -> Any:
            return adam_direction_plainly(
                gradient, mean, square, betas=(beta1, beta2), eps=eps, step=step
            )

        return torch.vmap(plain, in_dims=in_dims[:4])(*tensors), (0, 0, 0)
