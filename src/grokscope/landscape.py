"""The loss of a problem as a function of its flat parameters, in float64."""

import copy
import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.func import functional_call

from grokscope.models import Network
from grokscope.models.one_layer import Sequences
from grokscope.objectives import Objective, View
from grokscope.ops.params import Layout
from grokscope.ops.streams import distinct, stream
from grokscope.problem import Problem

Of: TypeAlias = Literal["task", "objective"]


@dataclass(frozen=True)
class Landscape:
    """What a loss is at any parameters, on some training examples.

    network: a copy in float64, bound to nothing; rows: which training examples, in the order of
    the problem's; prepared, targets: those examples. Training is not touched by anything done here.
    """

    network: Network
    layout: Layout
    objective: Objective
    rows: Shaped[Tensor, " n"]
    prepared: Any
    targets: Shaped[Tensor, "n ..."]

    @classmethod
    def of(cls, problem: Problem, *, samples: int | None = None) -> "Landscape":
        """Return the landscape on a fixed sample of the training examples, or on all of them.

        The sample depends on the number of training examples and on nothing else.
        """
        train = problem.train
        rows = sample(len(train), samples).to(train.targets.device)
        network = copy.deepcopy(problem.network).to(torch.float64)
        prepared = _plain(network.prepare(_doubled(train.inputs[rows])))
        objective = dataclasses.replace(problem.objective, dtype=torch.float64)
        if objective.view is not None:
            every = _plain(network.prepare(_doubled(problem.dataset.inputs.to(rows.device))))
            view = View(network, prepared, every, objective.view.operands)
            objective = dataclasses.replace(objective, view=view)
        targets = _doubled(train.targets[rows])
        return cls(network, problem.layout, objective, rows, prepared, targets)

    def __len__(self) -> int:
        return len(self.rows)

    def logits(self, flat: Float[Tensor, " size"], prepared: Any = None) -> Tensor:
        """Return the logits at parameters, shape [n, classes]; differentiable."""
        inputs = self.prepared if prepared is None else prepared
        found: Tensor = functional_call(self.network, self.layout.split(flat), (inputs,))
        return found

    def task_loss(self, flat: Float[Tensor, " size"]) -> Float[Tensor, ""]:
        """Return the mean loss of the examples."""
        return self.objective.task_loss(self.logits(flat), self.targets)

    def total(self, flat: Float[Tensor, " size"]) -> Float[Tensor, ""]:
        """Return the mean loss plus the weighted penalties."""
        params = self.layout.split(flat)

        def apply(inputs: Any) -> Tensor:
            return self.logits(flat, inputs)

        return self.objective.terms(apply, params, self.prepared, self.targets).total

    def per_example(self, flat: Float[Tensor, " size"]) -> Float[Tensor, " n"]:
        """Return the task loss of each example; several answers count as examples."""
        return self.losses(self.logits(flat))

    def losses(self, logits: Tensor) -> Float[Tensor, " n"]:
        """Return the loss of each row of logits."""
        targets = self.targets
        if logits.dim() == 3:
            logits, targets = logits.flatten(0, 1), targets.flatten()
        return self.objective.loss.per_example_in(torch.float64, logits, targets)


def sample(n: int, samples: int | None) -> Shaped[Tensor, " n"]:
    """Return the same `samples` of n row numbers, ascending; all of them with None or too few.

    >>> sample(10, 4).equal(sample(10, 4)), len(sample(10, None))
    (True, 10)
    """
    if samples is None or samples >= n:
        return torch.arange(n)
    return torch.from_numpy(distinct(stream(0, "landscape"), samples, n)).sort().values


def _plain(prepared: Any) -> Any:
    """Return prepared inputs without the mixture of one layer.

    Mixing rows of tables is the faster way once, but its second derivatives gather every row.
    """
    if isinstance(prepared, Sequences):
        return dataclasses.replace(prepared, mixture=None)
    return prepared


def _doubled(x: Tensor) -> Tensor:
    return x.double() if x.is_floating_point() else x
