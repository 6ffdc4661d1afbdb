"""When to measure and when to save: functions of the step and of what was measured last."""

from grokscope.config import CheckpointSchedule, MeasureSchedule
from grokscope.engine.milestones import Milestones


def measure_due(
    step: int, schedule: MeasureSchedule, milestones: Milestones, plateau: float
) -> bool:
    """Return whether to measure at this step: densely early and around the transition."""
    dense = step <= schedule.dense_until or (
        schedule.transition and milestones.in_transition(plateau)
    )
    return step % (schedule.dense_every if dense else schedule.every) == 0


def save_due(
    step: int, schedule: CheckpointSchedule, milestones: Milestones, plateau: float
) -> bool:
    """Return whether to save at this step: at stated early steps, regularly, in transition."""
    every = schedule.every
    if milestones.in_transition(plateau):
        every = min(every, schedule.transition_every)
    return step in schedule.early or step % every == 0
