"""One learning problem: a network, what it must learn, and what is minimized."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from grokscope.models import Model, Network, initialize
from grokscope.objectives import Objective, Terms
from grokscope.ops.params import Layout, layout_of
from grokscope.tasks import Data, Dataset, Split, Task, lookup_baseline


@dataclass(frozen=True)
class Examples:
    """Some examples: raw inputs, the same prepared for one network, and targets [n]."""

    inputs: Tensor
    prepared: Any
    targets: Int[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class Problem:
    """A network bound to one flat parameter vector, its data and its objective."""

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
    ) -> tuple["Problem", Tensor]:
        """Return the problem of one seed and its initial parameters, a flat vector.

        The network is bound to that vector: writing to it changes the network.
        """
        dataset = task.dataset()
        split = data.split(dataset, seed)
        network = model.build(dataset.signature)
        flat = initialize(network, model.initialization, seed, dtype=dtype).to(device)
        network.to(device)
        layout = layout_of(network)
        layout.bind(network, flat)

        def examples(rows: Tensor) -> Examples:
            inputs = dataset.inputs[rows].to(device)
            return Examples(inputs, network.prepare(inputs), split.targets[rows].to(device))

        train, test = examples(split.train), examples(split.test)
        return cls(task, dataset, split, network, layout, objective, train, test), flat

    def terms(self, examples: Examples) -> Terms:
        """Return the objective on some examples at the network's present parameters."""
        network, params = self.network, self.parameters
        return self.objective.terms(network, params, examples.prepared, examples.targets)

    def gradient(self, examples: Examples) -> tuple[Terms, Tensor]:
        """Return the objective and its gradient, a flat vector in the order of the layout."""
        terms = self.terms(examples)
        parameters = list(self.parameters.values())
        parts = torch.autograd.grad(terms.total, parameters, materialize_grads=True)
        return terms, torch.cat([part.reshape(-1) for part in parts])

    @cached_property
    def parameters(self) -> dict[str, Tensor]:
        """The parameters of the network by name, in the order of the layout."""
        named = dict(self.network.named_parameters())
        return {entry.name: named[entry.name] for entry in self.layout.entries}

    @cached_property
    def baseline(self) -> float:
        """What a table of the training pairs plus commutativity scores on the test set."""
        return lookup_baseline(self.dataset, self.split)
