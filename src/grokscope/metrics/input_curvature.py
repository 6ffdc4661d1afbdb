"""How the network moves with its input: Jacobian and curvature (Q3)."""

import torch
from torch import Tensor
from torch.func import vjp, vmap

from grokscope.landscape import Landscape
from grokscope.metrics.base import metric
from grokscope.models import capture, replace
from grokscope.ops.curvature import hessian_product, signs
from grokscope.snapshot import Snapshot

SAMPLES = 128
"""Training examples looked at: the same at every step."""
PROBES = 8
"""Fixed sign vectors for the trace, of every example its own."""
CLASSES = 16
"""Classes whose backward passes are taken at once."""


@metric(
    label="Input Jacobian norm ‖∂z/∂x‖",
    group="Loss Landscape",
    scale="log",
    cost="heavy",
)
def input_jacobian_norm(snapshot: Snapshot) -> Tensor:
    """Mean over a fixed sample of training examples of ‖∂z/∂x‖_F of the logits z, exactly.

    x is what enters the first layer: the one-hot input or the embeddings of all positions. The
    sample has 128 examples; one backward pass a class, in float64.
    """
    landscape, x, logits_of = _of_inputs(snapshot)
    logits, pull = vjp(logits_of, x)[:2]
    squares = x.new_zeros(len(landscape))
    units = torch.eye(logits[0].numel(), dtype=x.dtype, device=x.device)
    for chunk in units.split(CLASSES):  # type: ignore[no-untyped-call]
        along = chunk.view(len(chunk), 1, *logits.shape[1:]).expand(len(chunk), *logits.shape)
        (slopes,) = vmap(pull)(along)
        squares = squares + slopes.flatten(2).square().sum((0, 2))
    return squares.sqrt().mean()


@metric(
    label="Input Hessian trace tr ∂²ℓ/∂x²",
    group="Loss Landscape",
    cost="heavy",
    source="Hutchinson 1990",
)
def input_hessian_trace(snapshot: Snapshot) -> Tensor:
    """Mean over a fixed sample of training examples of the trace of ∂²ℓ/∂x², estimated.

    ℓ is the task loss of one example and x what enters the first layer, as in
    `input_jacobian_norm`. 128 examples, 8 fixed Rademacher probes of each, in float64.
    """
    landscape, x, logits_of = _of_inputs(snapshot)
    apply = hessian_product(lambda y: landscape.losses(logits_of(y)).sum(), x)
    probes = signs(x.numel(), PROBES, "input hessian").to(x.device).view(PROBES, *x.shape)
    return torch.stack([(v * apply(v)).sum() for v in probes]).mean() / len(landscape)


def _of_inputs(snapshot: Snapshot) -> tuple[Landscape, Tensor, "_Logits"]:
    """Return the landscape of the sample, what enters the first layer, and the logits of that."""
    landscape = Landscape.of(snapshot.problem, samples=SAMPLES)
    at = snapshot.params.double()
    with capture(landscape.network, "embeddings") as seen, torch.no_grad():
        landscape.logits(at)
    return landscape, seen["embeddings"].detach(), _Logits(landscape, at)


class _Logits:
    """The logits of a landscape's examples as a function of what enters the first layer."""

    def __init__(self, landscape: Landscape, at: Tensor) -> None:
        self._landscape, self._at = landscape, at

    def __call__(self, x: Tensor) -> Tensor:
        with replace(self._landscape.network, {"embeddings": x}):
            return self._landscape.logits(self._at)
