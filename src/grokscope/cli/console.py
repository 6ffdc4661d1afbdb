"""What a person sees while a run trains: a progress bar on a terminal, lines elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from grokscope.engine import Measured, Record
    from grokscope.store import Run

err = Console(stderr=True, highlight=False, soft_wrap=True)
LINES = 50


def say(text: str) -> None:
    """Print a message on standard error; it may contain rich markup of ours, never of a user."""
    err.print(text)


def answer(text: str) -> None:
    """Print a result on standard output."""
    sys.stdout.write(f"{text}\n")


class Lines:
    """Log lines: about fifty a run, and one for each milestone."""

    def __init__(self, total: int, metrics: tuple[str, ...], reached: set[str]) -> None:
        self._stride = max(total // LINES, 1)
        self._metrics = metrics
        self._next = 0
        self._told = set(reached)

    def __call__(self, record: "Record") -> None:
        """Print a record that deserves a line."""
        from grokscope.engine import Measured

        if not isinstance(record, Measured):
            return
        if record.step >= self._next:
            self._next = record.step + self._stride
            err.print(line(record, self._metrics), markup=False)
        for words in news(record, self._told):
            err.print(words, markup=False)


def news(record: "Measured", told: set[str]) -> list[str]:
    """Return a line for each milestone or failing metric not yet told; they then count as told."""
    reached = record.milestones
    steps = {"memorized": reached.memorized_at, "grokked": reached.grokked_at}
    fresh = {name: step for name, step in steps.items() if step is not None and name not in told}
    broken = {name: why for name, why in record.missing.items() if name not in told}
    told.update(fresh, broken)
    lines = [f"{name} at step {step:,}" for name, step in fresh.items()]
    return lines + [f"metric {name} is missing: {why}" for name, why in broken.items()]


def line(record: "Measured", metrics: tuple[str, ...]) -> str:
    """Return a log line: step, accuracies, losses in scientific notation, chosen metrics."""
    values = record.values
    parts = [
        f"step {record.step:>7,}",
        f"train {values['train_acc']:.4f}",
        f"test {values['test_acc']:.4f}",
        f"loss {values['train_loss']:.2e} {values['test_loss']:.2e}",
    ]
    parts += [f"{name} {values[name]:.3g}" for name in metrics if name in values]
    return "  ".join(parts)


@contextmanager
def watching(
    title: str, start: int, total: int, metrics: tuple[str, ...], reached: set[str]
) -> Iterator[Any]:
    """Yield an observer of records: a live bar with ETA on a terminal, log lines elsewhere.

    reached: milestones that need no telling, because the run had them before.
    """
    if not err.is_terminal:
        yield Lines(total - start, metrics, reached)
        return
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[words]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=err) as progress:
        task = progress.add_task(title, total=total, completed=start, words="")
        yield _Bar(progress, task, reached)


@contextmanager
def computing(title: str) -> Iterator[None]:
    """Show how far what is computed inside the block is: a bar on a terminal, lines elsewhere.

    Elsewhere a line is printed at every tenth of the whole. What was stored shows nothing.
    """
    from grokscope._progress import listening

    if not err.is_terminal:
        with listening(_Told(title)):
            yield
        return
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[words]}", markup=False),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task(title, total=1.0, words="")

        def show(words: str, share: float) -> None:
            progress.update(task, completed=share, words=words.strip())

        with listening(show):
            yield


class _Told:
    """Prints a line at every tenth of the whole, and one for what is told at the very beginning."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._next = 0.0

    def __call__(self, words: str, share: float) -> None:
        if share < self._next:
            return
        self._next = min(int(share * 10 + 1) / 10, 1.0) if share < 1 else 2.0
        err.print(f"{self._title} {share:4.0%} {words.strip()}", markup=False)


class _Bar:
    def __init__(self, progress: Progress, task: Any, reached: set[str]) -> None:
        self._progress, self._task = progress, task
        self._told = set(reached)

    def __call__(self, record: "Record") -> None:
        from grokscope.engine import Measured

        if not isinstance(record, Measured):
            return
        values = record.values
        words = f"train {values['train_acc']:.3f}  test {values['test_acc']:.3f}"
        self._progress.update(self._task, completed=record.step, words=words)
        for news_ in news(record, self._told):
            self._progress.console.print(news_, markup=False)


def summary(run: "Run") -> dict[str, Any]:
    """Return the machine-readable summary of a run."""
    status = run.status
    last = status.get("last") or {}
    seconds, steps = status.get("seconds"), status.get("step")
    return {
        "run": str(run.path),
        "state": status.get("state"),
        "outcome": run.outcome,
        "steps": steps,
        "memorized_at": status.get("memorized_at"),
        "grokked_at": status.get("grokked_at"),
        "train_acc": last.get("train_acc"),
        "test_acc": last.get("test_acc"),
        "seconds": seconds,
        "steps_per_second": steps / seconds if seconds and steps else None,
    }
