"""Logits a unit of weight: the memorizing against the generalizing circuit (A12)."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.errors import ScienceError
from grokscope.metrics import METRICS
from grokscope.store.results import Arrays, analysis
from grokscope.store.run import Run
from grokscope.tasks.grid import grid_size

GEOMETRY = ("weight_norm", "spectral_smoothness", "distance_irrelevance", "parameter_sparsity")
"""Measures whose ranks are compared with that of the efficiency."""


@analysis(label="Circuit efficiency", source="Varma et al. 2023, arXiv:2309.02390")
def circuit_efficiency(run: Run) -> tuple[dict[str, Any], Arrays]:
    """Return the logit margin that each circuit makes per unit of ‖θ‖, checkpoint by checkpoint.

    A proxy: a network has one set of weights, so its logits are split and not its parameters. The
    generalizing part of L is its mean over all pairs of one right answer, as a function of c less
    that answer; what is left on the training pairs is the memorizing part. Margin: the logit of the
    right answer less the mean of the others. Arrays over `steps`: `generalizing`, `memorizing`
    (margins), `efficiency` and `memorizing_efficiency` (over ‖θ‖), and geometric measures.
    Scalars: those at the end, the first step at which the generalizing part is the more efficient,
    and `rank.<measure>`, Spearman's correlation of a measure with the efficiency over checkpoints.
    Raises ScienceError for a task without all ordered pairs of residues, or with fewer than three
    checkpoints.
    """
    grid_size(run.config.task, "circuit_efficiency")
    if len(run.steps) < 3:
        raise ScienceError(f"{run.path}: circuit_efficiency: needs three checkpoints")
    rows = []
    for step in run.steps:
        snapshot = run.snapshot(step)
        dataset, train = snapshot.problem.dataset, snapshot.problem.split.train
        general, memory = margins(snapshot.all_logits, dataset.targets, train)
        norm = float(torch.linalg.vector_norm(snapshot.params.double()))
        rows.append(
            {
                "generalizing": general,
                "memorizing": memory,
                "efficiency": general / norm,
                "memorizing_efficiency": memory / norm,
                **{name: _value(METRICS[name].function(snapshot), name) for name in GEOMETRY},
            }
        )
    arrays: Arrays = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    scalars: dict[str, Any] = {
        f"last_{name}": float(arrays[name][-1])
        for name in ("generalizing", "memorizing", "efficiency", "memorizing_efficiency")
    }
    ahead = np.flatnonzero(arrays["generalizing"] > arrays["memorizing"])
    scalars["generalizing_from"] = run.steps[int(ahead[0])] if len(ahead) else None
    for name in GEOMETRY:
        scalars[f"rank.{name}"] = _spearman(arrays[name], arrays["efficiency"])
    return scalars, arrays | {"steps": np.array(run.steps)}


def margins(
    logits: Float[Tensor, "n classes"], targets: Tensor, train: Tensor
) -> tuple[float, float]:
    """Return the mean margin of the generalizing and of the memorizing part.

    The first is a function of c - target alone, so its margin is the same for every pair.
    """
    classes = logits.shape[1]
    shifted = (targets.unsqueeze(1) + torch.arange(classes)) % classes
    aligned = logits.double().gather(1, shifted)  # column 0 is the right answer
    general = aligned.mean(0)
    memory = (aligned - general)[train].mean(0)
    return tuple(float(x[0] - x[1:].mean()) for x in (general, memory))  # type: ignore[return-value]


def _value(measured: Any, name: str) -> float:
    return float(measured[name] if isinstance(measured, dict) else measured)


def _spearman(x: Any, y: Any) -> float | None:
    from scipy import stats  # noqa: PLC0415  (slow to import, and only analyses need it)

    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(stats.spearmanr(x, y).statistic)
