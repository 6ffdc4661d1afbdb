"""The learning rate over training: warm-up, constant, cosine."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from grokscope.errors import ConfigError
from grokscope.typing import STRICT, Ge, Gt, Le


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A factor on the learning rate that depends on the step alone.

    The horizon of the cosine is a field of its own and not the length of the run, so that
    extending a run does not change what it did before.
    """

    __pydantic_config__ = STRICT

    shape: Literal["constant", "cosine"] = "constant"
    """What follows the warm-up."""
    warmup_steps: Annotated[int, Ge(0)] = 0
    """Linear warm-up: update number t (from 0) gets t/warmup_steps, so the first one is nil."""
    cosine_steps: Annotated[int, Gt(0)] | None = None
    """Step at which the cosine ends; required for, and only for, the cosine."""
    floor: Annotated[float, Ge(0), Le(1)] = 0.0
    """Factor at and after the end of the cosine."""

    def __post_init__(self) -> None:
        if (self.shape == "cosine") != (self.cosine_steps is not None):
            raise ConfigError("cosine_steps: needed for shape: cosine and for nothing else")
        if self.cosine_steps is not None and self.cosine_steps <= self.warmup_steps:
            raise ConfigError(
                f"cosine_steps: must be more than the {self.warmup_steps} warmup_steps"
            )

    def factor(self, step: int) -> float:
        """Return the factor on the learning rate of the update after `step` updates."""
        if step < self.warmup_steps:
            return step / self.warmup_steps
        if self.cosine_steps is None:
            return 1.0
        span = self.cosine_steps - self.warmup_steps
        done = min((step - self.warmup_steps) / span, 1.0)
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * done)) / 2
