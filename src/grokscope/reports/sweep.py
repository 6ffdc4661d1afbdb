"""The report of many runs: verdicts, groups with censoring, figures and runs in one file."""

import math
from pathlib import Path
from typing import Any

from grokscope.analyses.outcomes import short, shown
from grokscope.analyses.sweep import Findings
from grokscope.analyses.verdicts import amount
from grokscope.plots import SWEEP_PLOTS
from grokscope.reports.origins import origins, shared_fields
from grokscope.reports.page import count, drawn, encoded, number, page
from grokscope.store.durable import write_file

GROUP_HEAD = (
    "Group",
    "Runs",
    "Grokked",
    "Diverged",
    "Success",
    "Median",
    "Exact",
    "First",
    "Sustained",
    "Strict",
    "Mean",
)


def write_sweep_report(found: Findings, path: Path, *, title: str, notes: str = "") -> Path:
    """Write the report of what a sweep found to a file that needs no network; return where."""
    write_file(path, encoded(render_sweep(found, title=title, notes=notes)))
    return path


def render_sweep(found: Findings, *, title: str, notes: str = "") -> str:
    """Return the HTML of a report."""
    summary = found.summary
    plots = sorted(SWEEP_PLOTS.values(), key=lambda part: part.order)
    head, rows = _runs(found)
    slopes = [_slope(row) for row in summary["slopes"]]
    return page(
        "sweep.html.jinja",
        figures=[drawn(part, found) for part in plots if part.applies(found)],
        sections=_sections(summary),
        title=title,
        notes=notes,
        sentence=_sentence(summary),
        tiles=_tiles(summary),
        verdicts=summary["hypotheses"],
        group_head=GROUP_HEAD,
        group_rows=[_group(row) for row in summary["groups"]],
        until=amount(summary["groups"][0]["rmst_until"]),
        logrank=_logrank(summary["logrank"]),
        slope_rows=slopes,
        run_head=head,
        run_rows=rows,
        problems=summary["problems"],
        shared=shared_fields(found),
        provenance=origins(found),
    )


def _sections(summary: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        *([("sweep-hypotheses", "Hypotheses")] if summary["hypotheses"] else []),
        ("sweep-groups", "Groups"),
        *([("sweep-slopes", "Slope of ln T on ln λ")] if summary["slopes"] else []),
        ("", ""),
        ("sweep-runs", "Runs"),
        *([("sweep-problems", "Not read")] if summary["problems"] else []),
        ("sweep-configuration", "Configuration"),
        ("sweep-provenance", "Provenance"),
    ]


def _sentence(summary: dict[str, Any]) -> str:
    runs, groups = len(summary["runs"]), len(summary["groups"])
    grokked = sum(group["grokked"] for group in summary["groups"])
    return f"{grokked} of {runs} runs in {groups} group{'s' * (groups != 1)} grokked."


def _tiles(summary: dict[str, Any]) -> list[tuple[str, str]]:
    outcomes = [row["outcome"] for row in summary["runs"]]
    verdicts = [row["verdict"] for row in summary["hypotheses"]]
    tiles = [("Runs", count(len(outcomes)))]
    tiles += [
        (name.capitalize(), count(outcomes.count(name)))
        for name in ("grokked", "memorized", "unfinished", "diverged", "running")
        if name in outcomes
    ]
    return tiles + [
        (f"Hypotheses: {name}", count(verdicts.count(name)))
        for name in ("holds", "fails", "undecided")
        if name in verdicts
    ]


def _group(row: dict[str, Any]) -> list[str]:
    return [
        row["label"],
        count(row["runs"]),
        count(row["grokked"]),
        count(row["diverged"]),
        f"{row['success']:.2f} [{row['success_low']:.2f}, {row['success_high']:.2f}]",
        _between(row["median"], row["median_low"], row["median_high"]),
        f"[{_end(row['median_least'])}, {_end(row['median_most'])}]",
        *(amount(row[f"median_{kind}"]) for kind in ("first", "sustained", "strict")),
        _between(row["rmst"], row["rmst_low"], row["rmst_high"]),
    ]


def _logrank(tests: dict[str, Any]) -> str:
    if not math.isfinite(tests["p"]):
        return ""
    return (
        f"Log-rank test that all groups have one survival curve: χ² = {tests['chi2']:.2f} with "
        f"{tests['degrees']} degree{'s' * (tests['degrees'] != 1)} of freedom, p = "
        f"{tests['p']:.2g} (asymptotic, too sure for a handful of runs)."
    )


def _slope(row: dict[str, Any]) -> list[str]:
    at = ", ".join(f"{short(path, row['at'])}={shown(v)}" for path, v in row["at"].items())
    known = math.isfinite(row["slope"])
    told = " ".join((_end(row["slope"]), f"[{_end(row['low'])}, {_end(row['high'])}]"))
    left = "; ".join(row["left_out"])
    return [row["path"], at or "–", told if known else "–", count(row["groups"]), left or "–"]


def _runs(found: Findings) -> tuple[list[str], list[list[str]]]:
    varying = found.outcomes.varying
    head = ["Run", *(short(path, varying) for path in varying)]
    head += ["Outcome", "Memorized at", "Grokked at", "Steps", "Test accuracy"]
    rows = [
        [row["run"]]
        + [shown(row[path]) for path in varying]
        + [row["outcome"], count(row["memorized_at"]), count(row["grokked_at"])]
        + [count(row["step"]), number(row["test_acc"])]
        for row in found.summary["runs"]
    ]
    return head, rows


def _between(value: float, low: float, high: float) -> str:
    if math.isinf(value):
        return f"not reached [{_end(low)}, {_end(high)}]"
    return f"{amount(value)} [{_end(low)}, {_end(high)}]"


def _end(value: float) -> str:
    """Return an end of an interval."""
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return amount(value).replace("-", "−")
