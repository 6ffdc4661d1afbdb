"""How smooth the function from pairs to logits is (part of Q3)."""

from torch import Tensor

from grokscope.metrics.base import metric
from grokscope.ops.fourier import energies, smooth_share
from grokscope.snapshot import Snapshot
from grokscope.tasks.grid import grid_size

SMOOTH_BELOW = 0.5
"""Wave numbers up to this fraction of p/2, along a and along b, count as smooth."""


@metric(
    label="Spectral smoothness",
    group="Curvature",
    cost="forward",
    source="measures: curvature",
    needs=lambda snapshot: 40 * len(snapshot.problem.dataset) * snapshot.train_logits.shape[-1],
)
def spectral_smoothness(snapshot: Snapshot) -> Tensor:
    """Share of the logits' 2-D Fourier energy at wave numbers up to p/4: high is smooth.

    Of all p² pairs, without the constant part. Wave numbers are min(k, p - k). Noise has about a
    quarter. A network that answers by one frequency k has all of its energy there: 1 or 0 by
    which k it took, so read a change and not a level.
    Raises ScienceError for a task without all ordered pairs of residues.
    """
    p = grid_size(snapshot.problem.task, "this task has no torus: spectral_smoothness")
    grid = snapshot.all_logits.double().view(p, p, -1)
    return smooth_share(energies(grid), cutoff=int(SMOOTH_BELOW * (p // 2)))
