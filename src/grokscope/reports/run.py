"""The report of a run: outcome, curves, configuration and provenance in one file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grokscope.config import to_yaml
from grokscope.plots import PLOTS
from grokscope.reports.numbers import numbers
from grokscope.reports.page import count, drawn, encoded, number, page, words
from grokscope.store import Run
from grokscope.store.durable import write_file
from grokscope.store.results import Result

SENTENCES = {
    "grokked": "It generalized.",
    "memorized": "It memorized its training set and has not generalized.",
    "unfinished": "It has not memorized its training set.",
    "diverged": "Its loss stopped being a finite number.",
    "running": "It has not ended yet.",
}


def write_report(run: Run, path: Path | None = None) -> Path:
    """Write the report of a run, by default `report.html` in its directory; return where.

    The file needs no network. Text from the run is escaped, so markup in a name is shown as text.
    """
    target = path or run.path / "report.html"
    write_file(target, encoded(render(run)))
    return target


def render(run: Run) -> str:
    """Return the HTML of a report."""
    plots = sorted(PLOTS.values(), key=lambda part: part.order)
    shown = [part for part in plots if part.applies(run)] if len(run.history) else []
    figures = [drawn(part, run) for part in shown]
    results = run.results()
    crossings = _crossings(results["grokking_time"]) if "grokking_time" in results else []
    head, rows = numbers(run)
    return page(
        "run.html.jinja",
        figures=figures,
        sections=_sections(crossed=bool(crossings), measured=bool(rows)),
        title=run.name,
        notes=run.config.notes,
        reason=run.status.get("reason", ""),
        sentence=_sentence(run),
        tiles=_tiles(run),
        crossings=crossings,
        number_head=head,
        number_rows=rows,
        results=[(name, _named(found.scalars)) for name, found in results.items()],
        config=to_yaml(run.config),
        provenance=_named(run.provenance),
    )


def _sections(*, crossed: bool, measured: bool) -> list[tuple[str, str]]:
    return [
        ("", ""),
        *([("grokking-time", "Grokking time")] if crossed else []),
        *([("run-numbers", "Numbers")] if measured else []),
        ("run-configuration", "Configuration"),
        ("run-provenance", "Provenance"),
    ]


def _named(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(words(key), value) for key, value in values.items()]


def _sentence(run: Run) -> str:
    memorized, grokked = run.status.get("memorized_at"), run.status.get("grokked_at")
    if run.outcome == "grokked" and memorized is not None and grokked is not None:
        later = "at once" if grokked <= memorized else f"{grokked - memorized:,} steps later"
        return f"It memorized its training set by step {memorized:,} and generalized {later}."
    return SENTENCES.get(run.outcome, "")


def _tiles(run: Run) -> list[tuple[str, str]]:
    status = run.status
    last = status.get("last") or {}
    seconds = status.get("seconds")
    return [
        ("Outcome", run.outcome),
        ("Memorized at", count(status.get("memorized_at"))),
        ("Grokked at", count(status.get("grokked_at"))),
        ("Steps", count(status.get("step"))),
        ("Test accuracy", number(last.get("test_acc"))),
        ("Lookup baseline", number(last.get("lookup_baseline"))),
        ("Training time", "–" if seconds is None else f"{seconds:,.1f} s"),
    ]


def _crossings(result: Result) -> list[list[str]]:
    """Return the crossings as rows of cells: kind, then `step (delay)` for each level."""
    rows = []
    for kind in ("first", "sustained", "strict"):
        cells = [kind]
        for level in result.arrays["levels"]:
            step = result.scalars[f"{kind}_{level:.2f}_step"]
            delay = result.scalars[f"{kind}_{level:.2f}_delay"]
            after = "" if delay is None else f" (+{delay:,})"
            cells.append("not seen" if step is None else f"{step:,}{after}")
        rows.append(cells)
    return rows
