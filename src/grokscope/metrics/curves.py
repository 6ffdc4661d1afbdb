"""Loss and accuracy on train and test (Q1)."""

from torch import Tensor

from grokscope.metrics.base import metric
from grokscope.snapshot import Snapshot


def accuracy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the share of examples whose largest logit is the target, a scalar."""
    return (logits.max(-1).indices == targets).double().mean()  # argmax, but twice as fast


@metric(label="Loss and accuracy", group="Training Curves", scale="log", cost="forward")
def curves(snapshot: Snapshot) -> dict[str, Tensor]:
    """Task loss and accuracy on train and test; the penalty and the total on train."""
    problem = snapshot.problem
    loss = problem.objective.task_loss
    train_loss = loss(snapshot.train_logits, problem.train.targets)
    return {
        "train_loss": train_loss,
        "test_loss": loss(snapshot.test_logits, problem.test.targets),
        "train_acc": accuracy(snapshot.train_logits, problem.train.targets),
        "test_acc": accuracy(snapshot.test_logits, problem.test.targets),
        "penalty": snapshot.penalty,
        "total_loss": train_loss + snapshot.penalty,
    }
