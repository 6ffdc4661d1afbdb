"""Regression on a teacher: problems whose learning can be solved."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.ops.streams import normals, stream
from grokscope.tasks.base import TASKS, Dataset, Signature, Task
from grokscope.typing import Ge, Gt


@TASKS.register
@dataclass(frozen=True, kw_only=True)
class Teacher(Task):
    """Targets of a random network on Gaussian inputs (Levi et al. 2023, arXiv:2310.16441).

    Inputs x are N(0, 1). A linear teacher says w·x with w ~ N(0, 1/d), a tanh teacher
    Σ_j a_j tanh(w_j·x)/√K with a ~ N(0, 1): both have targets of variance at most 1. Take a model
    `linear` for the student of the linear teacher, with weight decay for ridge regression, and the
    loss `mse`. A real answer is never exactly right, so accuracy is the share of examples whose
    squared error is at most `tolerance`: the time of grokking depends on it logarithmically.
    """

    kind: Literal["teacher"] = "teacher"
    teacher: Literal["linear", "tanh"] = "linear"
    """The network that gives the targets."""
    d: Annotated[int, Ge(1)] = 100
    """Real inputs of an example."""
    width: Annotated[int, Ge(1)] = 10
    """Hidden units K of the tanh teacher."""
    noise: Annotated[float, Ge(0)] = 0.0
    """Standard deviation of what is added to every target, train and test."""
    examples: Annotated[int, Gt(1)] = 1000
    """Examples drawn."""
    tolerance: Annotated[float, Gt(0)] = 1e-3
    """Largest squared error of a right answer."""
    draw: Annotated[int, Ge(0)] = 0
    """Which draw of teacher and examples; it does not depend on the seed of the run."""

    def dataset(self) -> Dataset:
        """Return the examples in the order in which they are drawn."""
        x = self._normals("inputs", self.examples, self.d)
        targets = self.answer(x) + self.noise * self._normals("noise", self.examples)
        signature = Signature(num_classes=1, num_features=self.d, tolerance=self.tolerance)
        return Dataset(x, targets, signature)

    def answer(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Return what the teacher says of inputs, without noise, in float64."""
        if self.teacher == "linear":
            return x @ self.weights[0]
        units = torch.tanh(x @ self.weights.t())
        return units @ self._normals("output", self.width) / math.sqrt(self.width)

    @property
    def weights(self) -> Float[Tensor, "units d"]:
        """The incoming weights of the teacher's units, one row for a linear teacher."""
        units = 1 if self.teacher == "linear" else self.width
        return self._normals("weights", units, self.d) / math.sqrt(self.d)

    def _normals(self, name: str, *shape: int) -> Tensor:
        draws = normals(stream(self.draw, f"teacher/{name}"), math.prod(shape))
        return torch.from_numpy(draws).view(shape)
