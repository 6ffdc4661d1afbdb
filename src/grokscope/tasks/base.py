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
    feature tasks have `num_features` real inputs instead and `seq_len` 0.
    """

    num_classes: int
    vocab_size: int = 0
    seq_len: int = 0
    factors: tuple[Factor, ...] = ()
    num_features: int = 0


@dataclass(frozen=True)
class Dataset:
    """Every example of a task.

    inputs: tokens [n, s] (int64) or features [n, f]; targets: classes [n] (int64).
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
