"""Optimizers: chains of pure (init, update) pairs on flat parameter vectors."""

from grokscope.optim.base import OPTIMIZERS, Optimizer, Transform, chain
from grokscope.optim.schedule import Schedule

__all__ = ["OPTIMIZERS", "Optimizer", "Schedule", "Transform", "chain"]
