"""Optimizers that change the gradient before Adam, AdamW or SGD sees it."""

from abc import abstractmethod
from dataclasses import dataclass, fields
from typing import Annotated, Literal

from grokscope.ops.params import Layout
from grokscope.optim.adam import Adam, AdamW, Moments
from grokscope.optim.base import Decayed, Transform, chain
from grokscope.optim.schedule import Schedule
from grokscope.optim.sgd import SGD
from grokscope.typing import PER_RUN, Ge, Lt


@dataclass(frozen=True, kw_only=True)
class Filtered(Moments):
    """The fields of an optimizer behind a filter; the fields of the base mean what they mean there.

    The filter sees the gradient of the objective as it is; clipping, decay, moments and rate of
    the base follow.
    """

    base: Literal["adamw", "adam", "sgd"] = "adamw"
    """The optimizer that takes the filtered gradient."""
    momentum: Annotated[float, Ge(0), Lt(1), PER_RUN] = 0.0
    """Momentum μ of the base `sgd`; the others have moments of their own."""

    @property
    def decays_apart(self) -> bool:
        """Whether decay of the base does so; the filter sees no decay."""
        return self.base == "adamw" or (self.base == "sgd" and not self.momentum)

    @abstractmethod
    def filter(self, layout: Layout) -> Transform:
        """Return the transform from the gradient to what the base takes for it."""

    def transform(self, layout: Layout, schedule: Schedule) -> Transform:
        """Return filter → the chain of the base."""
        shared = {field.name: getattr(self, field.name) for field in fields(Decayed)}
        if self.base == "sgd":
            base: Decayed = SGD(momentum=self.momentum, **shared)
        else:
            cls = AdamW if self.base == "adamw" else Adam
            base = cls(betas=self.betas, eps=self.eps, **shared)
        return chain(self.filter(layout), base.transform(layout, schedule))
