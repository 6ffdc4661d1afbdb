"""Curvature of the loss in the weights, and Fisher traces (Q4)."""

import torch
from torch import Tensor

from grokscope.errors import ScienceError
from grokscope.landscape import Landscape
from grokscope.metrics.base import metric
from grokscope.ops.curvature import hessian_product, hutchinson, signs
from grokscope.ops.fisher import fisher_quadratics
from grokscope.snapshot import Snapshot

PROBES = 8
"""Fixed sign vectors; the same at every step of every run of this size."""


def _bytes(snapshot: Snapshot) -> int:
    rows, size = len(snapshot.problem.train), snapshot.params.numel()
    return 8 * (40 * rows * max(snapshot.train_logits.shape[-1], 512) + (PROBES + 10) * size)


@metric(
    label="Hessian trace tr ∇²L",
    group="Loss Landscape",
    cost="heavy",
    source="Hutchinson 1990; Pearlmutter 1994",
    needs=_bytes,
)
def weight_hessian_trace(snapshot: Snapshot) -> Tensor:
    """Trace of the Hessian of the mean training loss in the parameters, estimated.

    The mean of vᵀHv over 8 fixed Rademacher probes, on all training examples, in float64. The
    penalties are left out. Its standard deviation over other probes is
    sqrt(2 Σ_{i≠j} H_ij² / 8); over steps it moves only as the network does.
    """
    landscape, at = Landscape.of(snapshot.problem), snapshot.params.double()
    apply = hessian_product(landscape.task_loss, at)
    return hutchinson(apply, signs(len(at), PROBES, "weight hessian").to(at.device)).mean()


@metric(
    label="Fisher trace tr F",
    group="Loss Landscape",
    scale="log",
    cost="heavy",
    source="Kunstner et al. 2019, arXiv:1905.12558",
    needs=_bytes,
)
def fisher_trace(snapshot: Snapshot) -> Tensor:
    """Trace of the true Fisher matrix, whose labels are drawn from the network's own softmax.

    Under cross-entropy it is the Gauss-Newton matrix (1/n) Σ J_iᵀ (diag p - p pᵀ) J_i, and the
    trace is estimated by 8 fixed Rademacher probes on all training examples, in float64.
    Raises ScienceError for a loss other than cross-entropy, whose softmax is no distribution of
    labels.
    """
    return _traces(snapshot, "fisher_trace")[0]


@metric(
    label="Empirical Fisher trace",
    group="Loss Landscape",
    scale="log",
    cost="heavy",
    source="Kunstner et al. 2019, arXiv:1905.12558",
    needs=_bytes,
)
def empirical_fisher_trace(snapshot: Snapshot) -> Tensor:
    """Mean over the training examples of the squared norm of each one's own gradient.

    The labels are those of the data, so it vanishes once they are fitted and is not `fisher_trace`.
    (1/n) Σ ‖∇ℓ_i‖², estimated as the mean of (∇ℓ_i · v)² over the same 8 probes, in float64.
    Raises ScienceError for a loss other than cross-entropy.
    """
    return _traces(snapshot, "empirical_fisher_trace")[1]


def _traces(snapshot: Snapshot, name: str) -> Tensor:
    """Return the Fisher trace and the empirical one, [2]."""
    problem = snapshot.problem
    if problem.objective.loss.kind != "cross_entropy":
        raise ScienceError(
            f"this network minimizes {problem.objective.loss.kind}: {name} needs a distribution of "
            "labels, loss.kind=cross_entropy"
        )
    landscape, at = Landscape.of(problem), snapshot.params.double()
    probes = signs(len(at), PROBES, "fisher").to(at.device)
    pairs = [fisher_quadratics(landscape.logits, landscape.losses, at, v) for v in probes]
    return torch.stack([torch.stack(pair) for pair in pairs]).mean(0)
