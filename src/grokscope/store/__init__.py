"""The run directory: written durably, verified by hash, read without pickle."""

from grokscope.store.run import Run, open_run
from grokscope.store.runs import COMPARISONS, Runs, comparison, open_all
from grokscope.store.writer import Writer, create, reopen

__all__ = [
    "COMPARISONS",
    "Run",
    "Runs",
    "Writer",
    "comparison",
    "create",
    "open_all",
    "open_run",
    "reopen",
]
