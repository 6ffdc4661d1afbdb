"""Whole answers that are right (T6)."""

from torch import Tensor

from grokscope.metrics.base import metric
from grokscope.metrics.curves import right
from grokscope.snapshot import Snapshot


@metric(
    label="Reward",
    group="Training Curves",
    cost="forward",
    also=("train_reward", "test_reward"),
)
def reward(snapshot: Snapshot) -> dict[str, Tensor]:
    """Share of examples all of whose answers are right, on train and test.

    For a sequence it is the share of whole sequences; with one answer an example it is accuracy.
    """
    problem, tolerance = snapshot.problem, snapshot.problem.dataset.signature.tolerance
    sides = {
        "train": (snapshot.train_logits, problem.train.targets),
        "test": (snapshot.test_logits, problem.test.targets),
    }
    return {
        f"{side}_reward": right(logits, targets, tolerance)
        .view(len(targets), -1)
        .all(1)
        .double()
        .mean()
        for side, (logits, targets) in sides.items()
    }
