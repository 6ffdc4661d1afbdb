"""Matrix products by whichever of PyTorch's two libraries is the faster one on this machine.

PyTorch multiplies float32 matrices with the BLAS it was built with. On some processors that runs at
less than half the rate of oneDNN, which PyTorch carries too, on the same cores, with the same dtype
and float32 sums. Which one to use is measured once for each machine and kept.
"""

import contextlib
import functools
import hashlib
import json
import math
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from grokscope.ops.function import Function

LEAST = 1 << 19
"""Multiplications below which a product is not worth the choice."""
GAIN = 1.2
"""How much faster oneDNN must be."""
ONEDNN: Any = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
"""The product of oneDNN; None where PyTorch was built without it."""


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x Wᵀ + b for x [n, in], W [out, in] and b [out]; twice differentiable, also mapped.

    Twin: `torch.nn.functional.linear`, which it is for everything but large float32 products on a
    CPU where oneDNN is faster.
    """
    if not _large(x, weight) or not onednn_is_faster():
        return F.linear(x, weight, bias)
    result: Tensor = _Linear.apply(x, weight, bias)  # type: ignore[no-untyped-call]
    return result


def product(left: Tensor, right: Tensor) -> Tensor:
    """Return left [n, k] times right [k, m]."""
    return linear(left, right.t())


def _large(x: Tensor, weight: Tensor) -> bool:
    if x.device.type != "cpu" or x.dtype != torch.float32 or x.dim() != 2:
        return False
    return x.shape[0] * x.shape[1] * weight.shape[0] >= LEAST


class _Linear(Function):
    """x Wᵀ + b by oneDNN, forward and backward; by PyTorch where it is differentiated again."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return _by_onednn(x, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, weight, bias = inputs
        ctx.save_for_backward(x, weight)
        ctx.save_for_forward(x, weight)
        ctx.biased = bias is not None

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        x, weight = ctx.saved_tensors
        for_x, for_weight, for_bias = ctx.needs_input_grad
        if torch.is_grad_enabled():
            return gradient @ weight, gradient.t() @ x, gradient.sum(0) if ctx.biased else None
        return (
            _by_onednn(gradient, weight.t(), None) if for_x else None,
            _transposed_product(gradient, x) if for_weight else None,
            gradient.sum(0) if ctx.biased and for_bias else None,
        )

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> Tensor:
        x, weight = ctx.saved_tensors
        along: Tensor = x.new_zeros(len(x), len(weight))
        if tangents[0] is not None:
            along = along + F.linear(tangents[0], weight)
        if tangents[1] is not None:
            along = along + F.linear(x, tangents[1])
        return along if tangents[2] is None else along + tangents[2]

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Tensor, int]:
        return torch.vmap(F.linear, in_dims=in_dims)(*inputs), 0


def _by_onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    factors = (_dense(x), _dense(weight))
    result: Tensor = ONEDNN(*factors, bias, "none", [], "")
    return result


def _dense(x: Tensor) -> Tensor:
    """Return a matrix by rows or by columns without gaps; for others oneDNN has no fast code."""
    return x if x.is_contiguous() or x.t().is_contiguous() else x.contiguous()


def _transposed_product(left: Tensor, right: Tensor) -> Tensor:
    """Return leftᵀ right; oneDNN copies its first factor into order, so that is the smaller one."""
    if left.shape[1] <= right.shape[1]:
        return _by_onednn(left.t(), right.t(), None)
    return _by_onednn(right.t(), left.t(), None).t()


class FlopCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts, inside this context, the FLOPs of matrix products, those of oneDNN included.

    By the formulas of `torch.utils.flop_counter`, without its mode: at the first operation that one
    loads PyTorch's compiler, which takes two seconds.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total: int = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run one operation and count it."""
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket is ONEDNN:
            x, weight, *_ = args
            self.total += 2 * math.prod(x.shape) * len(weight)
        elif (formula := flop_registry.get(func.overloadpacket)) is not None:
            self.total += formula(*args, **(kwargs or {}), out_val=result)
        return result


@functools.cache
def onednn_is_faster() -> bool:
    """Return whether large products go to oneDNN on this machine.

    Measured when first asked and kept in the user's cache, so that a run which goes on finds the
    answer it began with; `GROKSCOPE_ONEDNN=0` or `1` decides without measuring.
    """
    decided = os.environ.get("GROKSCOPE_ONEDNN")
    if decided is not None:
        return decided == "1" and _has_onednn()
    if not _has_onednn():
        return False
    path = _cache() / f"products-{_machine()}.json"
    kept = _kept(path)
    if kept is None:
        rates = measure()
        _keep(path, {"faster": rates["onednn"] > GAIN * rates["blas"], "gflops": rates})
        kept = _kept(path)
    return rates["onednn"] > GAIN * rates["blas"] if kept is None else kept


def measure() -> dict[str, float]:
    """Return the rates of both libraries on one thread, in GFLOP/s: the best of some products."""
    n, k, m = 1915, 512, 113
    x, weight = torch.ones(n, k), torch.ones(m, k)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            ways: dict[str, Callable[[], Tensor]] = {
                "blas": lambda: F.linear(x, weight),
                "onednn": lambda: _by_onednn(x, weight, None),
            }
            return {name: 2e-9 * n * k * m / _seconds(way) for name, way in ways.items()}
    finally:
        torch.set_num_threads(threads)


def _seconds(call: Callable[[], Tensor], times: int = 12) -> float:
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def _has_onednn() -> bool:
    there: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return there and ONEDNN is not None


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "grokscope"


def _machine() -> str:
    """Return what tells this processor and this PyTorch from others."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        lines = []
    kept = sorted(line for line in lines if line.startswith(("model", "cpu family", "flags")))
    told = "\n".join([torch.__version__, torch.backends.cpu.get_cpu_capability(), *kept])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _kept(path: Path) -> bool | None:
    """Return the answer that is kept, None where there is none that can be read."""
    try:
        return bool(json.loads(path.read_text())["faster"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(path: Path, found: dict[str, Any]) -> None:
    """Keep an answer; of several processes at once the last one decides for all that follow."""
    with contextlib.suppress(OSError):  # no place to keep it: measured again next time
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            json.dump(found, file)
        os.replace(file.name, path)
