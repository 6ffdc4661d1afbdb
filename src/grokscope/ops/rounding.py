"""Matrix products of rounded factors: what tensor cores compute, on any processor.

Tensor cores round the factors of a float32 product to TF32 (10 bits of mantissa) or bfloat16 (7)
and sum in float32. A processor without them does the same here by rounding first, at a cost, so
that the effect on training can be studied anywhere.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from grokscope.ops.products import ONEDNN

Format = Literal["tf32", "bf16"]

_aten = torch.ops.aten
_FIRST_FACTOR = {
    _aten.mm: 0,
    _aten.bmm: 0,
    _aten.addmm: 1,
    _aten.baddbmm: 1,
    ONEDNN: 0,
}


def to_tf32(x: Tensor) -> Tensor:
    """Return float32 values rounded to 10 bits of mantissa, ties to even."""
    bits = x.contiguous().view(torch.int32)
    odd = (bits >> 13) & 1
    rounded = ((bits + 0x0FFF + odd) & ~0x1FFF).view(torch.float32)
    return torch.where(torch.isfinite(x), rounded, x)


def to_bf16(x: Tensor) -> Tensor:
    """Return float32 values rounded to 7 bits of mantissa, ties to even."""
    return x.to(torch.bfloat16).to(torch.float32)


_ROUND: dict[str, Callable[[Tensor], Tensor]] = {"tf32": to_tf32, "bf16": to_bf16}


class Rounded(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Inside this context, in this thread, factors of float32 matrix products are rounded."""

    def __init__(self, form: Format) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._round = _ROUND[form]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else the first operation loads PyTorch's compiler

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run one operation."""
        first = _FIRST_FACTOR.get(func.overloadpacket)
        if first is not None and args[first].dtype == torch.float32:
            factors = (self._round(x) for x in args[first : first + 2])
            args = (*args[:first], *factors, *args[first + 2 :])
        return func(*args, **(kwargs or {}))
