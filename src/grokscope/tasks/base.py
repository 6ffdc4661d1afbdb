"""What a task is: a frozen configuration that makes one deterministic dataset."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from grokscope._registry import Registry
from grokscope.typing import STRICT


@dataclass(frozen=True, kw_only=True)
class Factor:
    """One varying symbol of a token sequence: its position, first token and number of values."""

    position: int
    start: int
    size: int


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What a model must know of a task to be built: shapes, never data.

    Token tasks have `seq_len` tokens out of `vocab_size`, of which `factors` carry information;
    feature tasks have `num_features` real inputs instead and `seq_len` 0. Where the features are
    the pixels of an image, row by row, `image` is its height and width.

    Sequences with several answers give `num_answers` of them, read at the last positions. Targets
    are classes unless there is a `tolerance`: then they are real numbers, an answer is right where
    its squared error is at most that, and `num_classes` is 1.
    """

    num_classes: int
    vocab_size: int = 0
    seq_len: int = 0
    factors: tuple[Factor, ...] = ()
    num_features: int = 0
    image: tuple[int, int] | None = None
    num_answers: int = 1
    tolerance: float | None = None

    @property
    def chance(self) -> float:
        """Accuracy of guessing: one class of all, and nothing for real targets."""
        return 1 / self.num_classes if self.tolerance is None else 0.0


@dataclass(frozen=True)
class Dataset:
    """Every example of a task.

    inputs: tokens [n, s] (int64) or features [n, f]; targets: classes [n] or, with several answers,
    [n, answers] (int64), or real numbers [n] (float64).
    """

    inputs: Tensor
    targets: Tensor
    signature: Signature

    def __len__(self) -> int:
        return len(self.targets)

    def operands(self) -> Int[Tensor, "n factors"]:
        """Return the value of each factor, counted from 0."""
        factors = self.signature.factors
        columns = [self.inputs[:, f.position] - f.start for f in factors]
        return torch.stack(columns, dim=1) if columns else torch.empty(len(self), 0).long()


class Task(ABC):
    """A frozen keyword-only dataclass whose fields are the configuration of a task."""

    __pydantic_config__ = STRICT
    kind: str

    @abstractmethod
    def dataset(self) -> Dataset:
        """Return all examples, in an order that depends on the configuration alone."""


TASKS: Registry[type[Task]] = Registry("task", "grokscope.tasks")
