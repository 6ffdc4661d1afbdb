"""One run inside a cohort: its problem, its optimizer and where it stands."""

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor

from grokscope.config import RunConfig, problem_of
from grokscope.engine.batches import batch_rows
from grokscope.engine.milestones import Milestones
from grokscope.engine.records import State
from grokscope.engine.schedule import measure_due, save_due
from grokscope.metrics import METRICS, Metric, measure
from grokscope.optim import Transform
from grokscope.problem import Examples
from grokscope.snapshot import Snapshot


@final
class Member:
    """The mutable state of one run while it trains.

    measured_at, saved_at: the last step that was measured and saved, -1 before the first.
    """

    def __init__(self, number: int, config: RunConfig, state: State | None = None) -> None:
        self.number = number
        self.config = config
        self.metrics: list[Metric] = [
            METRICS[name]
            for name in dict.fromkeys(("curves", "lookup_baseline", *config.measure.metrics))
        ]
        self.problem, self.params = problem_of(config)
        self.transform: Transform = config.optimizer.transform(self.problem.layout, config.schedule)
        self.milestones = Milestones()
        self.step = 0
        self.seconds = 0.0
        self.measured_at = self.saved_at = -1
        if state is None:
            self.optimizer = self.transform.init(self.params)
        else:
            self.params.copy_(state.params)
            self.optimizer = {k: v.to(self.params.device) for k, v in state.optimizer.items()}
            self.milestones, self.step = state.milestones, state.step
            self.seconds = state.seconds
            self.saved_at = state.step
            self.measured_at = state.step if state.measured else -1
        chance = self.problem.dataset.signature.chance
        self.plateau = max(self.problem.baseline, chance)

    @property
    def full_batch(self) -> bool:
        """Whether every step sees the whole training set."""
        batch = self.config.batch
        whole = batch.size is None or batch.size >= len(self.problem.train)
        return whole and not batch.replacement

    def examples(self) -> Examples:
        """Return the training examples of the present step."""
        train = self.problem.train
        if self.full_batch:
            return train
        rows = batch_rows(self.config.batch, len(train), self.config.seed, self.step)
        rows = rows.to(train.targets.device)
        inputs = train.inputs[rows]
        prepared = self.problem.network.prepare(inputs, share=False)
        return Examples(inputs, prepared, train.targets[rows])

    def measure_due(self) -> bool:
        """Return whether the present step is to be measured."""
        return measure_due(self.step, self.config.measure, self.milestones, self.plateau)

    def save_due(self) -> bool:
        """Return whether the present step is to be saved."""
        return save_due(self.step, self.config.checkpoint, self.milestones, self.plateau)

    def measure(self, given: Mapping[str, Tensor]) -> tuple[dict[str, float], dict[str, str]]:
        """Return the metrics at the present parameters, and why others are missing."""
        snapshot = Snapshot(
            self.problem,
            self.params,
            step=self.step,
            optimizer=self.optimizer,
            rule=self.config.optimizer,
            schedule=self.config.schedule,
            given=given,
        )
        missing: dict[str, str] = {}
        return measure(snapshot, self.metrics, missing=missing), missing

    def state(self) -> State:
        """Return a copy of everything needed to go on from here."""
        return State(
            step=self.step,
            params=self.params.clone(),
            optimizer={name: x.clone() for name, x in self.optimizer.items()},
            milestones=self.milestones,
            layout=self.problem.layout,
            measured=self.measured_at == self.step,
            seconds=self.seconds,
        )

    def apply(self, gradient: Tensor) -> None:
        """Apply one update of the optimizer to the parameters the network is bound to."""
        with torch.no_grad():
            update, self.optimizer = self.transform.update(
                gradient, self.optimizer, self.params, self.step
            )
            self.params.add_(update)
