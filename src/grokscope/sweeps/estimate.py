"""What a sweep will take: seconds by timing a few steps, bytes by counting what is kept."""

import dataclasses
import itertools
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass

from grokscope.config import MeasureSchedule, RunConfig
from grokscope.engine import Plan, Saved, train
from grokscope.engine.loop import cohort_key

ROW = 400
"""Bytes of a row of history, about, uncompressed with the default metrics."""
FILES = 20_000
"""Bytes of a run's other files."""
LONGEST = 5.0
"""Seconds that steps of one shape are timed at most."""


@dataclass(frozen=True)
class Estimate:
    """Seconds of wall time and bytes of disk at most: a member that groks ends earlier."""

    seconds: float
    bytes: int


def estimate(configs: Mapping[str, RunConfig], planned: Plan, *, steps: int = 20) -> Estimate:
    """Return what members take at most, each to its last step.

    One member of each shape is trained for a few steps without being stored.
    """
    costs: dict[object, tuple[float, int]] = {}
    seconds, size = 0.0, 0
    for config in configs.values():
        key = cohort_key(config)
        if key not in costs:
            costs[key] = _cost(config, planned.jobs[0].lanes, steps)
        step, state = costs[key]
        seconds += step * config.steps
        size += FILES + state * _checkpoints(config) + ROW * _rows(config)
    return Estimate(seconds / planned.workers, size)


def _cost(config: RunConfig, lanes: int, steps: int) -> tuple[float, int]:
    """Return the seconds of a step and the bytes of a checkpoint, by training a few steps."""
    ticks: list[float] = []

    def enough() -> bool:
        ticks.append(time.perf_counter())
        return len(ticks) > steps or ticks[-1] - ticks[0] > LONGEST

    size = 0
    unmeasured = MeasureSchedule(every=steps + 1, dense_until=0, transition=False)
    short = dataclasses.replace(config, steps=steps + 1, measure=unmeasured, threads=lanes)
    for record in train([short], stop_requested=enough):
        if isinstance(record, Saved):
            tensors = (record.state.params, *record.state.optimizer.values())
            size = sum(x.numel() * x.element_size() for x in tensors)
    each = [after - before for before, after in itertools.pairwise(ticks)]
    return statistics.median(each or [0.0]), size


def _checkpoints(config: RunConfig) -> int:
    """Return how many checkpoints a run keeps, without the denser ones of its transition."""
    early = {step for step in config.checkpoint.early if step <= config.steps}
    return len(early) + config.steps // config.checkpoint.every + 1


def _rows(config: RunConfig) -> int:
    dense = min(config.measure.dense_until, config.steps)
    return dense // config.measure.dense_every + (config.steps - dense) // config.measure.every
