"""What is minimized: losses, penalties and their sum."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from grokscope._registry import Registry
from grokscope.models import Network, Signal, hear
from grokscope.tasks import Task
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


@dataclass(frozen=True)
class View:
    """What a penalty may look at beyond the inputs of a step.

    network: the module that `apply` runs, for its probes; inputs: the prepared inputs of the step;
    every: those of all examples, in the order of the dataset; operands: how many values each of
    its factors takes.
    """

    network: Network
    inputs: Any
    every: Any
    operands: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Penalty(ABC):
    """A term added to the loss, times a weight."""

    __pydantic_config__ = STRICT
    views: ClassVar[bool] = False
    """Whether `value` is given a View instead of the prepared inputs of the step."""
    weight: Annotated[float, Ge(0), PER_RUN] = 0.0
    """Factor on the penalty in the objective."""
    start_step: Annotated[int, Ge(0)] = 0
    """First step at which the penalty acts; before it its weight is 0."""
    warmup_steps: Annotated[int, Ge(0)] = 0
    """Steps over which the weight then grows linearly from 0; 0 gives all of it at once."""

    @abstractmethod
    def value(self, apply: Callable[[Any], Tensor], params: Named, prepared: Any) -> Tensor:
        """Return the unweighted penalty, a scalar.

        apply: prepared inputs to logits, differentiable in `params`, the tensors by name;
        prepared: the inputs of the step, or a View.
        """

    def check(self, task: Task, network: Network) -> None:  # noqa: B027 - most always have one
        """Raise ConfigError or ScienceError where the penalty has no meaning for these."""

    def factor(self, step: int) -> float:
        """Return the factor on the weight of the update after `step` updates."""
        since = step - self.start_step
        if since < 0:
            return 0.0
        return min(since / self.warmup_steps, 1.0) if self.warmup_steps else 1.0


@dataclass(frozen=True, kw_only=True)
class Heard(Penalty):
    """A penalty on what passes the gates or routings of a network."""

    @abstractmethod
    def of(self, signals: Sequence[Signal]) -> Tensor:
        """Return the unweighted penalty of what one forward pass let through, a scalar."""

    def value(self, apply: Callable[[Any], Tensor], params: Named, prepared: Any) -> Tensor:
        """Return the unweighted penalty from a forward pass of its own."""
        with hear() as signals:
            apply(prepared)
        return self.of(signals)


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
    view: View | None = None

    def at(self, step: int) -> "Objective":
        """Return the objective of one step: the weights of the penalties as they are there."""
        factors = [part.factor(step) for part in self.penalties]
        if all(factor == 1 for factor in factors):
            return self
        pairs = zip(self.penalties, factors, strict=True)
        scaled = (replace(part, weight=part.weight * factor) for part, factor in pairs)
        return replace(self, penalties=tuple(scaled))

    def task_loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss, a scalar of the loss dtype; several answers count as examples."""
        if logits.dim() == 3:
            logits, targets = logits.flatten(0, 1), targets.flatten()
        return self.loss.per_example_in(self.dtype, logits, targets).mean()

    def terms(
        self, apply: Callable[[Any], Tensor], params: Named, prepared: Any, targets: Tensor
    ) -> Terms:
        """Return the objective at the parameters that `apply` uses."""
        with hear() as signals:
            logits = apply(prepared)
        task = self.task_loss(logits, targets)
        penalty = self.penalty(apply, params, prepared, signals).to(task.dtype)
        return Terms(logits, task, penalty, task + penalty)

    def penalty(
        self,
        apply: Callable[[Any], Tensor],
        params: Named,
        prepared: Any,
        signals: Sequence[Signal] | None = None,
    ) -> Tensor:
        """Return the sum of the weighted penalties, a scalar.

        signals: what a forward pass on the same inputs let through, where there was one already.
        """
        view = self.view and replace(self.view, inputs=prepared)
        values = []
        for part in self.penalties:
            if isinstance(part, Heard) and signals is not None:
                values.append(part.weight * part.of(signals))
            else:
                seen = view if part.views else prepared
                values.append(part.weight * part.value(apply, params, seen))
        return torch.stack(values).sum() if values else torch.zeros(())


LOSSES: Registry[type[Loss]] = Registry("loss", "grokscope.objectives")
PENALTIES: Registry[type[Penalty]] = Registry("penalty", "grokscope.objectives")
