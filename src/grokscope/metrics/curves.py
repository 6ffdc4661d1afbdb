"""Loss and accuracy on train and test (Q1)."""

from torch import Tensor

from grokscope.metrics.base import metric
from grokscope.snapshot import Snapshot


def right(logits: Tensor, targets: Tensor, tolerance: float | None = None) -> Tensor:
    """Return which answers are right, shape of `targets`, bool.

    The largest logit is the target; with a tolerance, the squared error is at most that.
    """
    if tolerance is not None:
        return (logits.squeeze(-1) - targets).square() <= tolerance
    return logits.max(-1).indices == targets  # argmax, but twice as fast


def accuracy(logits: Tensor, targets: Tensor, tolerance: float | None = None) -> Tensor:
    """Return the share of answers that are right, a scalar."""
    return right(logits, targets, tolerance).double().mean()


@metric(
    label="Loss and accuracy",
    group="Training Curves",
    scale="log",
    cost="forward",
    also=("train_loss", "test_loss", "train_acc", "test_acc", "penalty", "total_loss"),
)
def curves(snapshot: Snapshot) -> dict[str, Tensor]:
    """Task loss and accuracy on train and test; the penalty and the total on train."""
    problem = snapshot.problem
    loss = problem.objective.task_loss
    tolerance = problem.dataset.signature.tolerance
    train_loss = loss(snapshot.train_logits, problem.train.targets)
    return {
        "train_loss": train_loss,
        "test_loss": loss(snapshot.test_logits, problem.test.targets),
        "train_acc": accuracy(snapshot.train_logits, problem.train.targets, tolerance),
        "test_acc": accuracy(snapshot.test_logits, problem.test.targets, tolerance),
        "penalty": snapshot.penalty,
        "total_loss": train_loss + snapshot.penalty,
    }
