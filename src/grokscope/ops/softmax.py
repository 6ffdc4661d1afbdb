"""Cross-entropy of float32 logits in float64, in one pass over each row."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.ops import kernels
from grokscope.ops.function import Function
from grokscope.ops.lanes import each

ROWS = 2048
"""Rows a lane takes at a time."""


def cross_entropy(
    logits: Float[Tensor, "n classes"], targets: Int[Tensor, " n"], dtype: torch.dtype
) -> Float[Tensor, " n"]:
    """Return -ln softmax(z)_y of each example, computed in `dtype`."""
    if logits.device.type == "cpu" and (logits.dtype, dtype) == (torch.float32, torch.float64):
        losses: Tensor
        losses, _ = _CrossEntropy.apply(logits, targets)  # type: ignore[no-untyped-call]
        return losses
    return F.cross_entropy(logits.to(dtype), targets, reduction="none")


class _CrossEntropy(Function):
    """Losses, and beside them softmax(z) - 1[y]: the gradient but for the factor of each row."""

    @staticmethod
    def forward(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        rows, classes = logits.shape
        losses = torch.empty(rows, dtype=torch.float64)
        gradient = logits.new_empty(rows, classes)
        inputs = (logits.detach().contiguous(), targets, losses, gradient)

        def rows_from(start: int) -> None:
            room = torch.empty(2, classes, dtype=torch.float64).numpy()
            arrays = (x[start : start + ROWS].numpy() for x in inputs)
            kernels.cross_entropy_rows(*arrays, room[0], room[1])

        each(rows_from, range(0, rows, ROWS))
        return losses, gradient

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        _, gradient = output
        ctx.mark_non_differentiable(gradient)
        ctx.save_for_backward(*inputs, gradient)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        logits, targets, gradient = ctx.saved_tensors
        if torch.is_grad_enabled():  # this gradient will itself be differentiated
            classes = torch.arange(logits.shape[-1], device=logits.device)
            hot = (targets.unsqueeze(-1) == classes).double()
            gradient = torch.softmax(logits.double(), -1) - hot
        return gradients[0].to(logits.dtype).unsqueeze(-1) * gradient.to(logits.dtype), None

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> tuple[Tensor, None]:
        logits, targets = ctx.saved_tensors
        along = torch.softmax(logits.double(), -1)
        along = along - F.one_hot(targets, logits.shape[-1])
        return (along * (logits * 0 if tangents[0] is None else tangents[0])).sum(-1), None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Tensor) -> Any:
        def plain(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
            losses = F.cross_entropy(logits.double(), targets, reduction="none")
            hot = F.one_hot(targets, logits.shape[-1])
            return losses, torch.softmax(logits.double(), -1).sub(hot).to(logits.dtype)

        return torch.vmap(plain, in_dims=in_dims)(*inputs), (0, 0)
