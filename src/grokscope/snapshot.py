"""One run at one step: everything a measure may want, each computed once and only if asked for."""

from collections.abc import Mapping
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.errors import ScienceError
from grokscope.models import Signal, replace
from grokscope.optim import Optimizer, Schedule
from grokscope.problem import Problem
from grokscope.typing import Named


class Snapshot:
    """A problem at given parameters.

    step: updates applied; params: the flat vector the network is bound to; optimizer: the named
    state of the optimizer, and rule and schedule what makes its next update of that; given:
    attributes already known, such as the logits of a training step.
    """

    def __init__(
        self,
        problem: Problem,
        params: Float[Tensor, " size"],
        *,
        step: int = 0,
        optimizer: Named | None = None,
        rule: Optimizer | None = None,
        schedule: Schedule | None = None,
        given: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.problem = problem
        self.params = params
        self.step = step
        self.optimizer: Named = {} if optimizer is None else optimizer
        self.rule = rule
        self.schedule = schedule or Schedule()
        self.__dict__.update(given or {})

    @cached_property
    def train_logits(self) -> Float[Tensor, "n classes"]:
        """Logits of the training examples."""
        return self.problem.logits(self.problem.train)

    @cached_property
    def test_logits(self) -> Float[Tensor, "n classes"]:
        """Logits of the test examples."""
        return self.problem.logits(self.problem.test)

    @cached_property
    def all_logits(self) -> Float[Tensor, "n classes"]:
        """Logits of every example, in the order of the dataset."""
        split = self.problem.split
        shape = (len(self.problem.dataset), *self.train_logits.shape[1:])
        logits = self.train_logits.new_empty(shape)
        logits[split.train.to(logits.device)] = self.train_logits
        logits[split.test.to(logits.device)] = self.test_logits
        return logits

    @cached_property
    def penalty(self) -> Float[Tensor, ""]:
        """Weighted sum of the penalties on the training examples."""
        if not self.problem.objective.penalties:
            return self.params.new_zeros(())
        return self.problem.at(self.step).terms(self.problem.train).penalty.detach()

    @cached_property
    def gradient(self) -> Float[Tensor, " size"]:
        """Gradient of the objective over all training examples, flat."""
        return self.problem.at(self.step).gradient(self.problem.train)[1]

    @cached_property
    def step_gradient(self) -> Float[Tensor, " size"]:
        """Gradient that the next update takes: that of its batch where training gives it.

        A stored run knows its state and not its batches: there it is `gradient`.
        """
        return self.gradient

    @cached_property
    def next_update(self) -> tuple[Float[Tensor, " size"], Named]:
        """What the next step adds to the parameters, and the optimizer's state after it.

        Nothing is applied. Raises ScienceError where the optimizer is not known.
        """
        return self.update_by(self.rule, self.schedule)

    def update_by(
        self, rule: Optimizer | None, schedule: Schedule
    ) -> tuple[Float[Tensor, " size"], Named]:
        """Return what another optimizer with the same state would do next."""
        if rule is None:
            raise ScienceError("this snapshot was made without its optimizer")
        transform, gradient = rule.transform(self.problem.layout, schedule), self.step_gradient
        with torch.no_grad():
            return transform.update(gradient, self.optimizer, self.params, self.step)

    @cached_property
    def signals(self) -> tuple[Signal, ...]:
        """What passes the gates and routings of the network for the training examples, in order."""
        return tuple(self.problem.signals(self.problem.train))

    @cached_property
    def representation(self) -> Float[Tensor, "n width"]:
        """What the unembedding reads, for the training examples."""
        return self.activation("representation")

    def activation(self, name: str) -> Tensor:
        """Return the activation at a probe for the training examples, shape [n, ...]."""
        return self.problem.activation(name, self.problem.train)

    def everywhere(self, name: str) -> Tensor:
        """Return the activation at a probe for every example, in the order of the dataset."""
        problem = self.problem
        train, test = (problem.activation(name, side) for side in (problem.train, problem.test))
        found = train.new_empty(len(problem.dataset), *train.shape[1:])
        found[problem.split.train.to(found.device)] = train
        found[problem.split.test.to(found.device)] = test
        return found

    def activation_gradient(self, name: str) -> Tensor:
        """Return the gradient of the task loss with respect to an activation, shape [n, ...].

        `embeddings` gives the gradient with respect to what enters the first layer, for every
        training example: one-hot inputs [n, columns] or embeddings [n, positions, d]. The loss is
        the mean over examples, so each row is 1/n of its example's own gradient.
        """
        problem = self.problem
        seen: list[Tensor] = []

        def leaf(activation: Tensor) -> Tensor:
            seen.append(activation.detach().requires_grad_())
            return seen[-1]

        with replace(problem.network, {name: leaf}):
            logits = problem.network(problem.train.prepared)
        loss = problem.objective.task_loss(logits, problem.train.targets)
        return torch.autograd.grad(loss, seen[-1])[0]

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """The parameters by name."""
        return self.problem.layout.split(self.params)
