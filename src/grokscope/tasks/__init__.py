"""Tasks: what a network is asked to learn, as a finite table of inputs and targets."""

from grokscope.tasks.base import TASKS, Dataset, Factor, Signature, Task
from grokscope.tasks.data import Data, Split, lookup_baseline

__all__ = ["TASKS", "Data", "Dataset", "Factor", "Signature", "Split", "Task", "lookup_baseline"]
