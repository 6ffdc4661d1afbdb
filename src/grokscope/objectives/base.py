"""What is minimized: losses, penalties and their sum."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from grokscope._registry import Registry
from grokscope.typing import PER_RUN, STRICT, Ge, Named


class Loss(ABC):
    """A frozen keyword-only dataclass whose fields are the configuration of a loss."""

    __pydantic_config__ = STRICT
    kind: str
    reads_real: ClassVar[bool] = False
    """Whether targets may be real numbers [n], of logits [n, 1]."""

    @abstractmethod
    def per_example(
        self, logits: Float[Tensor, "n classes"], targets: Shaped[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        """Return the loss of each example, in the dtype of the logits."""

    def per_example_in(
        self,
        dtype: torch.dtype,
        logits: Float[Tensor, "n classes"],
        targets: Shaped[Tensor, " n"],
    ) -> Float[Tensor, " n"]:
        """Return the loss of each example, computed in `dtype`."""
        return self.per_example(logits.to(dtype), targets)


@dataclass(frozen=True, kw_only=True)
class Penalty(ABC):
    """A term added to the loss, times a weight."""

    __pydantic_config__ = STRICT
    weight: Annotated[float, Ge(0), PER_RUN] = 0.0
    """Factor on the penalty in the objective."""

    @abstractmethod
    def value(self, apply: Callable[[Any], Tensor], params: Named, prepared: Any) -> Tensor:
        """Return the unweighted penalty, a scalar.

        apply: prepared inputs to logits, differentiable in `params`, the tensors by name.
        """


@dataclass(frozen=True)
class Terms:
    """The objective in its parts: logits [n, classes] and the scalars task, penalty, total.

    The logits of several answers are [n, answers, classes].
    """

    logits: Tensor
    task: Tensor
    penalty: Tensor
    total: Tensor


@dataclass(frozen=True)
class Objective:
    """Mean loss over the examples, in a dtype of its own, plus weighted penalties."""

    loss: Loss
    penalties: tuple[Penalty, ...] = ()
    dtype: torch.dtype = torch.float64

    def task_loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss, a scalar of the loss dtype; several answers count as examples."""
        if logits.dim() == 3:
            logits, targets = logits.flatten(0, 1), targets.flatten()
        return self.loss.per_example_in(self.dtype, logits, targets).mean()

    def terms(
        self, apply: Callable[[Any], Tensor], params: Named, prepared: Any, targets: Tensor
    ) -> Terms:
        """Return the objective at the parameters that `apply` uses."""
        logits = apply(prepared)
        task = self.task_loss(logits, targets)
        penalty = self.penalty(apply, params, prepared).to(task.dtype)
        return Terms(logits, task, penalty, task + penalty)

    def penalty(self, apply: Callable[[Any], Tensor], params: Named, prepared: Any) -> Tensor:
        """Return the sum of the weighted penalties, a scalar."""
        values = [part.weight * part.value(apply, params, prepared) for part in self.penalties]
        return torch.stack(values).sum() if values else torch.zeros(())


LOSSES: Registry[type[Loss]] = Registry("loss", "grokscope.objectives")
PENALTIES: Registry[type[Penalty]] = Registry("penalty", "grokscope.objectives")
