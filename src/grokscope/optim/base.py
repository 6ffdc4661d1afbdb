"""What an optimizer is: a configuration that makes a chain of pure transforms."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal, TypeAlias

import torch
from torch import Tensor

from grokscope._registry import Registry
from grokscope.ops.params import Layout
from grokscope.optim.schedule import Schedule
from grokscope.typing import PER_RUN, STRICT, Ge, Gt, Named

State: TypeAlias = dict[str, Tensor]


@dataclass(frozen=True)
class Transform:
    """A pure step of an optimizer on flat vectors of one run.

    init(params) -> state: named tensors, each of any shape.
    update(direction, state, params, step) -> (direction, state): `direction` starts as the
    gradient; what the last transform returns is added to the parameters. `step` counts the
    updates already applied.
    """

    init: Callable[[Tensor], State]
    update: Callable[[Tensor, Named, Tensor, int], tuple[Tensor, State]]


def chain(*transforms: Transform) -> Transform:
    """Return the transforms one after another. Their state names must differ."""

    def init(params: Tensor) -> State:
        return {name: x for part in transforms for name, x in part.init(params).items()}

    def update(direction: Tensor, state: Named, params: Tensor, step: int) -> tuple[Tensor, State]:
        new: State = {}
        for part in transforms:
            direction, changed = part.update(direction, state, params, step)
            new |= changed
        return direction, new

    return Transform(init, update)


def stateless(function: Callable[[Tensor, Tensor, int], Tensor]) -> Transform:
    """Return the transform `direction -> function(direction, params, step)` without state."""
    return Transform(
        init=lambda params: {},
        update=lambda direction, state, params, step: (function(direction, params, step), {}),
    )


def clip_by_norm(max_norm: float) -> Transform:
    """Scale the gradient so that its L2 norm is at most `max_norm` (torch's clip_grad_norm_)."""

    def clip(gradient: Tensor, params: Tensor, step: int) -> Tensor:
        norm = torch.linalg.vector_norm(gradient)
        return gradient * torch.clamp(max_norm / (norm + 1e-6), max=1.0)

    return stateless(clip)


def scale_by_rate(lr: float | Tensor, schedule: Schedule) -> Transform:
    """Multiply by minus the learning rate of the step."""
    return stateless(lambda direction, params, step: direction * (-lr * schedule.factor(step)))


class Optimizer(ABC):
    """A frozen keyword-only dataclass whose fields are the configuration of an optimizer."""

    __pydantic_config__ = STRICT
    kind: str

    @abstractmethod
    def transform(self, layout: Layout, schedule: Schedule) -> Transform:
        """Return the chain of transforms for a network of this layout.

        Fields marked PER_RUN may be 0-d tensors here: a batched cohort passes them mapped.
        """


@dataclass(frozen=True, kw_only=True)
class Decayed(Optimizer):
    """The fields every optimizer shares: rate, decay and clipping."""

    lr: Annotated[float, Gt(0), PER_RUN] = 1e-3
    """Learning rate η, before the schedule's factor."""
    weight_decay: Annotated[float, Ge(0), PER_RUN] = 0.0
    """Weight decay λ."""
    decay_on: Literal["all", "weights"] = "all"
    """What decays: every parameter (Nanda et al.), or all but embeddings, biases and norms."""
    decay_to: Literal["zero", "initial"] = "zero"
    """Where decay pulls: to zero, or to the initial parameters."""
    clip_norm: Annotated[float, Gt(0)] | None = None
    """Largest L2 norm of the whole gradient; null leaves it alone."""
    gate_lr_factor: Annotated[float, Gt(0), PER_RUN] = 1.0
    """Learning rate of gates over that of everything else."""
    gate_decay_factor: Annotated[float, Ge(0), PER_RUN] = 0.0
    """Weight decay of gates over that of everything else, whatever `decay_on` says; 0 leaves them
    alone. Decay pulls the logit of a gate to 0, which is a gate of one half."""

    @property
    def decays_apart(self) -> bool:
        """Whether an update is a part that decay has no share in, plus a part that is all decay."""
        return False

    def clipping(self) -> tuple[Transform, ...]:
        """Return the clipping transform, if any."""
        return () if self.clip_norm is None else (clip_by_norm(self.clip_norm),)

    def rate(self, layout: Layout, schedule: Schedule) -> tuple[Transform, ...]:
        """Return what multiplies by minus the rate of the step; that of gates is apart."""
        return *self.gate_rate(layout), scale_by_rate(self.lr, schedule)

    def gate_rate(self, layout: Layout) -> tuple[Transform, ...]:
        """Return what multiplies the direction of gates by their factor, if there are any."""
        if not layout.holds("gate"):
            return ()

        def update(
            direction: Tensor, state: Named, params: Tensor, step: int
        ) -> tuple[Tensor, State]:
            gates = state["gates"]
            return direction * (1 + (self.gate_lr_factor - 1) * gates), {"gates": gates}

        return (Transform(lambda params: {"gates": layout.mask({"gate"}, params)}, update),)

    def decay(self, layout: Layout) -> Transform:
        """Return the transform that adds λ·(θ - target) on the decayed parameters."""
        where = partial(layout.mask, {"weight"}) if self.decay_on == "weights" else None
        gated = layout.holds("gate")
        if gated and where is None:
            where = partial(layout.mask, {"weight", "embedding", "bias", "norm"})

        def init(params: Tensor) -> State:
            state: State = {}
            if self.decay_to == "initial":
                state["initial"] = params.clone()
            if where is not None:
                state["decayed"] = where(params)
            if gated:
                state["decayed_gates"] = layout.mask({"gate"}, params)
            return state

        def update(
            direction: Tensor, state: Named, params: Tensor, step: int
        ) -> tuple[Tensor, State]:
            pull = params - state["initial"] if "initial" in state else params
            if gated:
                pull = pull * (state["decayed"] + self.gate_decay_factor * state["decayed_gates"])
            elif "decayed" in state:
                pull = pull * state["decayed"]
            names = ("initial", "decayed", "decayed_gates")
            kept = {name: state[name] for name in names if name in state}
            return direction + self.weight_decay * pull, kept

        return Transform(init, update)


OPTIMIZERS: Registry[type[Optimizer]] = Registry("optimizer", "grokscope.optim")
