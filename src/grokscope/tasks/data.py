"""From a task to what a run sees: labels, corruption and the split into train and test."""

import hashlib
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from grokscope.errors import ConfigError
from grokscope.ops.streams import integers, permutation, stream
from grokscope.tasks.base import Dataset
from grokscope.typing import STRICT, Ge, Gt, Lt


@dataclass(frozen=True)
class Split:
    """Which examples train, which test, and the targets after corruption.

    train, test: example numbers, ascending; targets: as the dataset has them, [n] or [n, answers];
    hash: SHA-256 over all three.
    """

    train: Int[Tensor, " n_train"]
    test: Int[Tensor, " n_test"]
    targets: Shaped[Tensor, "n ..."]

    @property
    def hash(self) -> str:
        """SHA-256 of the split and its targets, to tell that two runs saw the same data."""
        digest = hashlib.sha256()
        for part in (self.train, self.test, self.targets):
            form = "<f8" if part.is_floating_point() else "<i8"
            digest.update(part.numpy().astype(form).tobytes() + b"|")
        return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Data:
    """How examples are split and labeled."""

    __pydantic_config__ = STRICT

    train_fraction: Annotated[float, Gt(0), Lt(1)] = 0.3
    """Share of the examples in the training set."""
    label_noise: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Share of the training examples whose answers are replaced by other classes, drawn uniformly;
    real targets by those of examples drawn uniformly."""
    random_labels: bool = False
    """Null control: every label, train and test, is drawn uniformly; nothing can generalize. Real
    targets are shuffled."""

    def split(self, dataset: Dataset, seed: int) -> Split:
        """Return the split of one seed: the same on every machine.

        ⌊fraction · n⌋ examples train. Raises ConfigError where a side would be empty.
        """
        n = len(dataset)
        n_train = int(self.train_fraction * n + 1e-9)
        if not 0 < n_train < n:
            raise ConfigError(
                f"data.train_fraction: {self.train_fraction} of {n} examples leaves "
                f"{n_train} to train and {n - n_train} to test; both need at least one"
            )
        order = torch.from_numpy(permutation(stream(seed, "split"), n))
        train = order[:n_train].sort().values
        test = order[n_train:].sort().values
        return Split(train, test, self._targets(dataset, train, seed))

    def _targets(self, dataset: Dataset, train: Tensor, seed: int) -> Tensor:
        real, classes = dataset.signature.tolerance is not None, dataset.signature.num_classes
        targets = dataset.targets.clone()
        if self.random_labels:
            rng = stream(seed, "random labels")
            if real:
                targets = targets[torch.from_numpy(permutation(rng, len(targets)))]
            else:
                draws = integers(rng, targets.numel(), classes)
                targets = torch.from_numpy(draws).view(targets.shape)
        wrong = round(self.label_noise * len(train))
        if wrong:
            rng = stream(seed, "label noise")
            chosen = train[torch.from_numpy(permutation(rng, len(train)))[:wrong]]
            if real:
                targets[chosen] = targets[torch.from_numpy(integers(rng, wrong, len(targets)))]
            else:
                before = targets[chosen]
                shift = 1 + torch.from_numpy(integers(rng, before.numel(), classes - 1))
                targets[chosen] = (before + shift.view(before.shape)) % classes
        return targets


def lookup_baseline(dataset: Dataset, split: Split) -> float:
    """Return what a pure table plus commutativity would score on the test set.

    The share of test examples whose mirror image (b, a) is a training example with the same
    target; the rest is counted as wrong. Expected f(1 - 1/p) for addition on ordered pairs: this,
    not 1/p, is the plateau of addition before grokking. 0 for tasks without two operands and one
    answer.
    """
    factors = dataset.signature.factors
    if dataset.signature.num_answers > 1:
        return 0.0
    if len(factors) < 2 or factors[0].size != factors[1].size:
        return 0.0
    operands = dataset.operands()
    known = {
        tuple(row): target
        for row, target in zip(
            operands[split.train].tolist(), split.targets[split.train].tolist(), strict=True
        )
    }
    hits: int = sum(
        known.get((b, a, *rest), -1) == target
        for (a, b, *rest), target in zip(
            operands[split.test].tolist(), split.targets[split.test].tolist(), strict=True
        )
    )
    return hits / len(split.test)
