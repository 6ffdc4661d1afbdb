"""The input Jacobian penalty."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.func import vjp

from grokscope.models import capture, replace
from grokscope.objectives.base import PENALTIES, Penalty, View
from grokscope.ops.streams import stream, uniforms
from grokscope.typing import Gt, Named


@PENALTIES.register
@dataclass(frozen=True, kw_only=True)
class InputJacobian(Penalty):
    """‖∂z/∂x‖_F², the mean over the examples of a step: how much the logits z move with x.

    x is what enters the first layer, one-hot or embedded. With `directions` the sum over the
    classes is estimated by fixed random signs v as ‖(∂z/∂x)ᵀv‖² (Hutchinson), each example with
    signs of its own; the mean over signs is exact.
    """

    kind: Literal["input_jacobian"] = "input_jacobian"
    directions: Annotated[int, Gt(0)] | None = 1
    """Sign vectors for each example, each a backward pass; null takes one pass a class, exactly."""
    views: ClassVar[bool] = True

    def value(self, apply: Callable[[Any], Tensor], params: Named, prepared: View) -> Tensor:
        """Return the mean squared norm."""
        network, inputs = prepared.network, prepared.inputs
        with capture(network, "embeddings") as seen:
            apply(inputs)

        def logits_of(x: Tensor) -> Tensor:
            with replace(network, {"embeddings": x}):
                return apply(inputs)

        logits, pull = vjp(logits_of, seen["embeddings"])[:2]
        along = self._directions(logits)
        squares = [pull(v)[0].flatten(1).square().sum(1) for v in along]
        total: Tensor = torch.stack(squares).sum(0).mean()
        return total if self.directions is None else total / self.directions

    def _directions(self, logits: Tensor) -> Tensor:
        """Return the directions [d, n, classes]: unit vectors of all classes, or random signs."""
        n, classes = logits.shape
        if self.directions is None:
            return torch.eye(classes, dtype=logits.dtype, device=logits.device)[:, None].expand(
                classes, n, classes
            )
        draws = uniforms(stream(0, "input jacobian"), self.directions * n * classes)
        signs = torch.from_numpy(draws).view(self.directions, n, classes).sub(0.5).sign()
        return signs.to(logits)
