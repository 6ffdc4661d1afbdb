"""The numbers of a run in a table: what was measured first, at its milestones and last."""

from typing import Any

from grokscope.metrics import METRICS
from grokscope.reports.page import words
from grokscope.store import Run


def numbers(run: Run) -> tuple[list[str], list[list[str]]]:
    """Return head and rows: a row for each column of the history, a column for each moment."""
    history = run.history
    if not len(history):
        return [], []
    steps = history["step"].to_list()
    moments = {
        "Start": steps[0],
        "Memorized": run.status.get("memorized_at"),
        "Grokked": run.status.get("grokked_at"),
        "End": steps[-1],
    }
    rows = {
        f"{name}, step {step:,}": dict(history.row(steps.index(step), named=True))
        for name, step in moments.items()
        if step in steps
    }
    columns = [name for name in history.columns if name != "step"]
    return ["Measure", *rows], [
        [_label(name), *(_amount(row[name]) for row in rows.values())] for name in columns
    ]


def _label(column: str) -> str:
    name, _, rest = column.partition(".")
    label = METRICS[name].label if name in METRICS else words(name)
    label = label[:1].upper() + label[1:]
    return f"{label}, {rest}" if rest else label


def _amount(value: Any) -> str:
    if not isinstance(value, (int, float)):
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
