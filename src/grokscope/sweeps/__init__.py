"""Sweeps: many runs from one file, which differ in chosen fields, and the question they answer."""

from grokscope.sweeps.execute import run_sweep
from grokscope.sweeps.file import Sweep, load_sweep, sweep_recipes
from grokscope.sweeps.members import members
from grokscope.sweeps.standing import Standing, standing

__all__ = [
    "Standing",
    "Sweep",
    "load_sweep",
    "members",
    "run_sweep",
    "standing",
    "sweep_recipes",
]
