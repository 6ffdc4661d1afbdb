"""Training: cohorts of runs as an iterator of records. Knows no disk and no console."""

from grokscope.engine.loop import train
from grokscope.engine.milestones import Milestones, Outcome
from grokscope.engine.planner import Job, Machine, Plan, plan
from grokscope.engine.records import Finished, Measured, Record, Saved, State

__all__ = [
    "Finished",
    "Job",
    "Machine",
    "Measured",
    "Milestones",
    "Outcome",
    "Plan",
    "Record",
    "Saved",
    "State",
    "plan",
    "train",
]
