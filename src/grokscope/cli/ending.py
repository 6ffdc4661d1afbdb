"""How a training verb ends: what happened, where it is, and the exit code."""

import json as json_
from typing import TYPE_CHECKING, Any

import typer

from grokscope.cli.console import answer, err, summary

if TYPE_CHECKING:
    from grokscope.store import Run


def finish(run: "Run", code: int, *, report: bool, json: bool) -> None:
    """Say what became of a run, write its report, and exit with `code` if a signal ended it."""
    facts = summary(run)
    interrupted = facts["state"] == "interrupted"
    where = None
    if report and not interrupted:
        from grokscope.reports import write_report

        where = write_report(run)
    if json:
        answer(json_.dumps(facts))
    else:
        _tell(facts, where)
    if interrupted:
        raise typer.Exit(code)


def _tell(facts: dict[str, Any], report: Any) -> None:
    if facts["state"] == "interrupted":
        err.print(f"stopped at step {facts['steps']:,}; go on with", markup=False)
        err.print(f"  grokscope resume {facts['run']}", markup=False)
        return
    answer(f"outcome       {facts['outcome']}")
    for label, key in (("memorized at", "memorized_at"), ("grokked at", "grokked_at")):
        step = facts[key]
        answer(f"{label:<13} {'not seen' if step is None else f'step {step:,}'}")
    if facts["test_acc"] is not None:
        answer(f"test accuracy {facts['test_acc']:.4f}")
    rate = facts["steps_per_second"]
    if rate:
        answer(
            f"took          {facts['seconds']:.1f} s, {facts['steps']:,} steps, {rate:.0f} a second"
        )
    answer(f"run           {facts['run']}")
    if report is not None:
        answer(f"report        {report}")
