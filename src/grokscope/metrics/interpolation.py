"""How exactly the training set is answered, and how well posed that is."""

import torch
import torch.nn.functional as F
from torch import Tensor

from grokscope.metrics.base import metric
from grokscope.ops.interpolation import condition
from grokscope.snapshot import Snapshot


@metric(label="max |logit - target|", group="Norm Minimization", scale="log")
def interpolation_residual(snapshot: Snapshot) -> Tensor:
    """Largest distance of a training logit from its one-hot target."""
    logits = snapshot.train_logits
    targets = F.one_hot(snapshot.problem.train.targets, logits.shape[-1])
    residual: Tensor = (logits - targets).abs().max()
    return residual


@metric(
    label="Condition number of HHᵀ",
    group="Norm Minimization",
    scale="log",
    cost="forward",
    needs=lambda snapshot: 16 * len(snapshot.problem.train) ** 2,
)
def gram_condition(snapshot: Snapshot) -> Tensor:
    """Condition number of HHᵀ, H the training representations; 1/ε where it is singular."""
    features = snapshot.representation
    return condition(torch.flatten(features, start_dim=1))
