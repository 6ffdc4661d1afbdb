"""One learning problem: a network, what it must learn, and what is minimized."""

import dataclasses
import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from grokscope._registry import Registry
from grokscope.errors import ConfigError
from grokscope.models import Model, Network, Signal, hear, initialize, replace
from grokscope.objectives import Objective, Terms, View
from grokscope.ops.lanes import each
from grokscope.ops.params import Layout, layout_of
from grokscope.tasks import Data, Dataset, Split, Task, lookup_baseline

PART = 2048
"""Most rows of a part: few enough to stay near the processor, and enough to be worth a lane."""


@dataclass(frozen=True)
class Examples:
    """Some examples: raw inputs, the same prepared for one network, and targets [n, ...].

    parts: the same examples in pieces, each prepared; empty where there is only one piece.
    """

    inputs: Tensor
    prepared: Any
    targets: Shaped[Tensor, "n ..."]
    parts: tuple["Examples", ...] = ()

    def __len__(self) -> int:
        return len(self.targets)

    @classmethod
    def of(cls, network: Network, inputs: Tensor, targets: Tensor) -> "Examples":
        """Prepare examples as a whole and, where they are many, in parts.

        The number of parts is even and depends on nothing but the number of examples, so neither
        do the sums over parts.
        """
        prepared, n = network.prepare(inputs), len(inputs)
        if n <= PART or inputs.device.type != "cpu":
            return cls(inputs, prepared, targets)
        count = -(-n // (2 * PART)) * 2
        bounds = [n * k // count for k in range(count + 1)]
        parts = []
        for start, stop in itertools.pairwise(bounds):
            rows = slice(start, stop)
            parts.append(cls(inputs[rows], network.part(prepared, rows), targets[rows]))
        return cls(inputs, prepared, targets, tuple(parts))


@dataclass(frozen=True)
class Problem:
    """A network bound to one flat parameter vector, its data and its objective.

    mapped: whether `objective.terms` is all there is to its gradient, so that a cohort may take it
    in one mapped step.
    """

    kind: ClassVar[str] = "training"
    mapped: ClassVar[bool] = True

    task: Task
    dataset: Dataset
    split: Split
    network: Network
    layout: Layout
    objective: Objective
    train: Examples
    test: Examples

    @classmethod
    def build(
        cls,
        *,
        task: Task,
        data: Data,
        model: Model,
        objective: Objective,
        seed: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> tuple[Self, Tensor]:
        """Return the problem of one seed and its initial parameters, a flat vector.

        The network is bound to that vector: writing to it changes the network.
        """
        dataset = task.dataset()
        if dataset.signature.tolerance is not None and not objective.loss.reads_real:
            raise ConfigError(
                f"loss.kind: {objective.loss.kind} needs classes, and task {task.kind} has real "
                "targets; take mse"
            )
        split = data.split(dataset, seed)
        network = model.build(dataset.signature)
        for penalty in objective.penalties:
            penalty.check(task, network)
        flat = initialize(network, model.initialization, seed, dtype=dtype).to(device)
        network.to(device)
        layout = layout_of(network)
        layout.bind(network, flat)

        def placed(x: Tensor) -> Tensor:
            return x.to(device, dtype) if x.is_floating_point() else x.to(device)

        def examples(rows: Tensor) -> Examples:
            inputs, targets = placed(dataset.inputs[rows]), placed(split.targets[rows])
            return Examples.of(network, inputs, targets)

        train, test = examples(split.train), examples(split.test)
        if any(penalty.views for penalty in objective.penalties):
            every = network.prepare(dataset.inputs.to(device))
            operands = tuple(factor.size for factor in dataset.signature.factors)
            view = View(network, train.prepared, every, operands)
            objective = dataclasses.replace(objective, view=view)
        return cls(task, dataset, split, network, layout, objective, train, test), flat

    def at(self, step: int) -> "Problem":
        """Return the problem of one step: the weights of penalties may depend on it."""
        objective = self.objective.at(step)
        if objective is self.objective:
            return self
        return dataclasses.replace(self, objective=objective)

    def logits(self, examples: Examples) -> Float[Tensor, "n classes"]:
        """Return the logits of some examples, without a graph."""

        def of(part: Examples) -> Tensor:
            return self.network.finish(begun, part.prepared)

        with torch.no_grad():
            begun = self.network.begin(examples.prepared)
            return torch.cat(each(of, examples.parts)) if examples.parts else of(examples)

    def activation(self, name: str, examples: Examples) -> Tensor:
        """Return the activation at a probe, without a graph, shape [n, ...]."""
        seen = threading.local()

        def keep(activation: Tensor) -> Tensor:
            seen.activation = activation
            return activation

        def of(part: Examples) -> Tensor:
            self.network.finish(begun, part.prepared)
            found: Tensor = seen.activation
            return found

        with replace(self.network, {name: keep}), torch.no_grad():
            begun = self.network.begin(examples.prepared)
            return torch.cat(each(of, examples.parts or (examples,)))

    def signals(self, examples: Examples) -> list[Signal]:
        """Return what passes gates and routings in one forward pass, without a graph, in order."""
        with hear() as signals, torch.no_grad():
            self.network(examples.prepared)
        return signals

    def terms(self, examples: Examples) -> Terms:
        """Return the objective on some examples at the network's present parameters."""
        network, params = self.network, self.parameters
        return self.objective.terms(network, params, examples.prepared, examples.targets)

    def gradient(self, examples: Examples) -> tuple[Terms, Float[Tensor, " size"]]:
        """Return the objective and its gradient, a flat vector in the order of the layout."""
        parameters = list(self.parameters.values())
        if examples.parts:
            terms, found = self._gradient_in_parts(examples, parameters)
        else:
            terms = self.terms(examples)
            found = torch.autograd.grad(terms.total, parameters, allow_unused=True)
        flat = [
            torch.zeros_like(p).view(-1) if g is None else g.reshape(-1)
            for p, g in zip(parameters, found, strict=True)
        ]
        return terms, torch.cat(flat)

    def _gradient_in_parts(
        self, examples: Examples, parameters: Sequence[Tensor]
    ) -> tuple[Terms, Sequence[Tensor | None]]:
        """Return the same from parts that share what the network begins with.

        The graph is cut behind `begin`: each part differentiates its own share of the loss with
        respect to the cut, and one backward pass carries their sum on.
        """
        network, objective = self.network, self.objective
        begun = network.begin(examples.prepared)
        cut = tuple(x.detach().requires_grad_() for x in begun)
        inputs = [*cut, *parameters]

        def of(part: Examples) -> tuple[Tensor, Tensor, Sequence[Tensor | None]]:
            logits = network.finish(cut, part.prepared)
            loss = objective.task_loss(logits, part.targets) * (len(part) / len(examples))
            return logits.detach(), loss, torch.autograd.grad(loss, inputs, allow_unused=True)

        logits, losses, gradients = zip(*each(of, examples.parts), strict=True)
        sums = [_sum(pieces) for pieces in zip(*gradients, strict=True)]
        at_cut, direct = sums[: len(cut)], sums[len(cut) :]
        roots = [(x, g) for x, g in zip(begun, at_cut, strict=True) if g is not None]
        task = torch.stack([loss.detach() for loss in losses]).sum()
        penalty = torch.zeros_like(task)
        if objective.penalties:
            penalty = objective.penalty(network, self.parameters, examples.prepared)
            roots.append((penalty, torch.ones_like(penalty)))
        carried = _pull(roots, parameters)
        found = [_sum(pair) for pair in zip(direct, carried, strict=True)]
        penalty = penalty.detach().to(task.dtype)
        return Terms(torch.cat(logits), task, penalty, task + penalty), found

    @cached_property
    def parameters(self) -> dict[str, Tensor]:
        """The parameters of the network by name, in the order of the layout."""
        named = dict(self.network.named_parameters())
        return {entry.name: named[entry.name] for entry in self.layout.entries}

    @cached_property
    def baseline(self) -> float:
        """What a table of the training pairs plus commutativity scores on the test set."""
        return lookup_baseline(self.dataset, self.split)


DYNAMICS: Registry[type[Problem]] = Registry("dynamics", "grokscope.dynamics")
DYNAMICS.register(Problem)


def _pull(
    roots: Sequence[tuple[Tensor, Tensor]], parameters: Sequence[Tensor]
) -> Sequence[Tensor | None]:
    """Return the gradients of the parameters, given those of the roots.

    The largest root is the work of one lane, the others that of another.
    """

    def of(group: Sequence[tuple[Tensor, Tensor]]) -> Sequence[Tensor | None]:
        outputs, gradients = zip(*group, strict=True)
        return torch.autograd.grad(
            outputs, parameters, gradients, allow_unused=True, retain_graph=True
        )

    by_size = sorted(roots, key=lambda pair: pair[0].numel())
    groups = [group for group in (by_size[:-1], by_size[-1:]) if group]
    pieces = each(of, groups) or [[None] * len(parameters)]
    return [_sum(piece) for piece in zip(*pieces, strict=True)]


def _sum(pieces: Sequence[Tensor | None]) -> Tensor | None:
    """Return the sum of the pieces in order; None counts as nothing."""
    known = [piece for piece in pieces if piece is not None]
    if len(known) < 2:
        return known[0] if known else None
    total = known[0] + known[1]
    for piece in known[2:]:
        total += piece
    return total
