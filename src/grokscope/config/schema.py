"""The configuration of one run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Union

import torch
from pydantic import Discriminator, GetCoreSchemaHandler
from pydantic_core import CoreSchema

from grokscope._registry import nearest
from grokscope.errors import ConfigError
from grokscope.metrics import METRICS
from grokscope.models import MODELS, Model
from grokscope.objectives import LOSSES, PENALTIES, Loss, Penalty
from grokscope.objectives.cross_entropy import CrossEntropy
from grokscope.optim import OPTIMIZERS, Optimizer, Schedule
from grokscope.problem import DYNAMICS
from grokscope.tasks import TASKS, Data, Task
from grokscope.typing import PER_RUN, STRICT, Ge, Gt, Lt


@dataclass(frozen=True)
class OneOf:
    """Annotation of a field that holds one part of a registry, told apart by its `kind`."""

    registry: Mapping[str, type]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        parts = tuple(self.registry[name] for name in self.registry)
        return handler.generate_schema(Annotated[Union[parts], Discriminator("kind")])  # noqa: UP007


@dataclass(frozen=True)
class NameOf:
    """Annotation of a field that holds the name of a part of a registry."""

    registry: Mapping[str, Any]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return handler.generate_schema(Literal[tuple(self.registry)])


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Which training examples a step sees."""

    __pydantic_config__ = STRICT

    size: Annotated[int, Gt(0)] | None = None
    """Examples a step; null takes the full training set."""
    replacement: bool = False
    """Draw every batch afresh instead of passing through the training set in random order."""


@dataclass(frozen=True, kw_only=True)
class Precision:
    """Number formats, each a treatment of its own."""

    __pydantic_config__ = STRICT

    parameters: Literal["float32", "float64"] = "float32"
    """Parameters, activations and optimizer state."""
    loss: Literal["float32", "float64"] = "float64"
    """Logits inside the loss; float32 softmax collapses late in training."""
    matmul: Literal["float32", "tf32", "bf16"] = "float32"
    """What the factors of float32 matrix products are rounded to; sums stay in float32."""

    @property
    def parameter_dtype(self) -> torch.dtype:
        """The dtype of the parameters."""
        return torch.float64 if self.parameters == "float64" else torch.float32

    @property
    def loss_dtype(self) -> torch.dtype:
        """The dtype of the loss."""
        return torch.float64 if self.loss == "float64" else torch.float32


@dataclass(frozen=True, kw_only=True)
class MeasureSchedule:
    """When to measure, and what."""

    __pydantic_config__ = STRICT

    every: Annotated[int, Gt(0)] = 50
    """Steps between measurements."""
    dense_every: Annotated[int, Gt(0)] = 10
    """Steps between measurements early and around the transition."""
    dense_until: Annotated[int, Ge(0)] = 200
    """Length of the early phase in steps."""
    transition: bool = True
    """Measure densely while test accuracy is above the lookup plateau and not yet sustained."""
    metrics: tuple[str, ...] = ("weight_norm", "gradient_norm", "representation_norm")
    """Metrics beyond loss and accuracy; `grokscope show metric` lists them."""

    def __post_init__(self) -> None:
        for name in self.metrics:
            if name not in METRICS:
                known = list(METRICS)
                raise ConfigError(
                    f"metrics: unknown metric {name!r}{nearest(name, known)} "
                    f"(known: {', '.join(known)})"
                )


@dataclass(frozen=True, kw_only=True)
class CheckpointSchedule:
    """When to save the full state."""

    __pydantic_config__ = STRICT

    every: Annotated[int, Gt(0)] = 1000
    """Steps between checkpoints."""
    early: tuple[Annotated[int, Ge(0)], ...] = (0, 100, 200, 500)
    """Further steps at which to save."""
    transition_every: Annotated[int, Gt(0)] = 500
    """Steps between checkpoints around the transition."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides what a run computes."""

    __pydantic_config__ = STRICT

    name: str = ""
    """Name of the run and of its directory; empty takes the recipe's."""
    notes: str = ""
    """Free text."""
    tags: tuple[str, ...] = ()
    """Free labels."""
    seed: Annotated[int, Ge(0), Lt(2**63), PER_RUN] = 0
    """Seed of every random stream: initialization, split, order."""
    steps: Annotated[int, Gt(0)] = 10_000
    """Updates at most."""
    stop: Literal["grokked", "never"] = "grokked"
    """`grokked`: end when test accuracy was at least .99 three evaluations in a row."""
    task: Annotated[Task, OneOf(TASKS)]
    """What is learned."""
    data: Data = field(default_factory=Data)
    """Split and labels."""
    model: Annotated[Model, OneOf(MODELS)]
    """The network."""
    loss: Annotated[Loss, OneOf(LOSSES)] = field(default_factory=CrossEntropy)
    """The loss on the logits."""
    penalties: tuple[Annotated[Penalty, OneOf(PENALTIES)], ...] = ()
    """Terms added to the loss."""
    dynamics: Annotated[str, NameOf(DYNAMICS)] = "training"
    """What moves the parameters. `training`: the gradient of the loss and its penalties.
    `norm_minimization`: that of the L2 penalty among networks whose training loss is 0."""
    optimizer: Annotated[Optimizer, OneOf(OPTIMIZERS)]
    """The optimizer."""
    schedule: Schedule = field(default_factory=Schedule)
    """The learning rate over time."""
    batch: Batch = field(default_factory=Batch)
    """Full batch or mini-batches."""
    precision: Precision = field(default_factory=Precision)
    """Number formats."""
    measure: MeasureSchedule = field(default_factory=MeasureSchedule)
    """When and what to measure."""
    checkpoint: CheckpointSchedule = field(default_factory=CheckpointSchedule)
    """When to save."""
    device: Literal["cpu", "cuda", "mps"] = "cpu"
    """Where to compute."""
    threads: Annotated[int, Gt(0)] | None = None
    """CPU threads; null takes what PyTorch finds. No number depends on it."""

    def __post_init__(self) -> None:
        if self.dynamics != "training" and self.batch != Batch():
            raise ConfigError("batch: only training draws batches; leave it out")
        if self.device == "mps" and "float64" in (self.precision.loss, self.precision.parameters):
            raise ConfigError("device: mps has no float64; set precision.loss=float32")
