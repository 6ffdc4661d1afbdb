"""The records that training yields."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from torch import Tensor

from grokscope.engine.milestones import Milestones, Outcome
from grokscope.ops.params import Layout
from grokscope.typing import Named


@dataclass(frozen=True, kw_only=True)
class State:
    """All that a run needs to go on: every random stream is a function of seed and step.

    params: flat vector, laid out as `layout` says; optimizer: its named tensors; step: updates
    applied; measured: whether this step was measured before it was saved; seconds: training time
    so far, which is not part of a run's identity.
    """

    step: int
    params: Tensor
    optimizer: Named
    milestones: Milestones
    layout: Layout
    measured: bool
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Metrics of one member of a cohort at one step; missing: why a metric has no value."""

    member: int
    step: int
    values: Mapping[str, float]
    seconds: float
    milestones: Milestones
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Saved:
    """The state of one member at one step, for whoever keeps checkpoints."""

    member: int
    state: State

    @property
    def step(self) -> int:
        """Updates applied."""
        return self.state.step


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The last record of a member.

    `interrupted` runs were asked to stop and can be resumed; `diagnosis` says what is known of a
    diverged one.
    """

    member: int
    step: int
    outcome: Outcome
    milestones: Milestones
    seconds: float
    interrupted: bool = False
    reason: str = ""
    diagnosis: Mapping[str, Any] = field(default_factory=dict)


Record: TypeAlias = Measured | Saved | Finished
