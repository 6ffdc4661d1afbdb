"""What a sweep found (A10): groups with censoring, tests between them, slopes, and verdicts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from grokscope.analyses.estimates import bootstrapped, common_horizon, estimate
from grokscope.analyses.outcomes import Group, Outcomes, sample
from grokscope.analyses.slopes import slopes
from grokscope.analyses.verdicts import judge
from grokscope.ops.survival import Sample, logrank
from grokscope.store import Run, Runs
from grokscope.store.durable import to_json, write_file

SUMMARY = "analysis_summary.json"
MOST_PAIRS = 28
METHOD = {
    "censoring": "runs that did not grok, diverged or still train are censored at their last step",
    "success": "share of runs that grokked, with the Wilson interval at 95 %",
    "median": "Kaplan-Meier; `median_low` and `median_high` by a percentile bootstrap of 2,000 "
    "draws (seed 0), which for few runs is too narrow; `median_least` and `median_most` by order "
    "statistics, exact and open for fewer than six runs",
    "rmst": "Kaplan-Meier mean up to `rmst_until`, the common follow-up; percentile bootstrap",
    "logrank": "asymptotic, too sure for a handful of runs; verdicts use permutations instead",
    "slope": "least squares of ln median on ln value; percentile bootstrap of runs in groups",
}


@dataclass(frozen=True)
class Findings:
    """Outcomes of many runs and what was made of them, as plain data."""

    outcomes: Outcomes
    summary: dict[str, Any]

    @property
    def runs(self) -> pl.DataFrame:
        """One row a run: what varies, and its outcome."""
        return pl.DataFrame(self.summary["runs"], infer_schema_length=None, strict=False)

    @property
    def groups(self) -> pl.DataFrame:
        """One row a group: what its runs share, and its estimates."""
        rows = [{**row["values"], **row} for row in self.summary["groups"]]
        frame = pl.DataFrame(rows, infer_schema_length=None, strict=False)
        return frame.drop("values", strict=False)


def analyze(runs: Runs | Sequence[Run], hypotheses: Sequence[str] = ()) -> Findings:
    """Return what runs found, with the verdict on each hypothesis.

    Groups are runs alike in all but the seed. Raises ScienceError without runs, ConfigError for a
    hypothesis that cannot be read.
    """
    outcomes = Outcomes.of(runs)
    samples = [sample(group.members) for group in outcomes.groups]
    until = common_horizon(samples)
    summary = {
        "version": 1,
        "varying": list(outcomes.varying),
        "problems": list(runs.problems) if isinstance(runs, Runs) else [],
        "groups": [_group(g, s, until) for g, s in zip(outcomes.groups, samples, strict=True)],
        "logrank": _tests(outcomes.groups, samples),
        "slopes": slopes(outcomes),
        "hypotheses": [judge(text, outcomes).content() for text in hypotheses],
        "runs": _rows(outcomes),
        "method": METHOD,
    }
    return Findings(outcomes, summary)


def summarize(runs: Runs | Sequence[Run], hypotheses: Sequence[str] = ()) -> dict[str, Any]:
    """Return what `analysis_summary.json` holds of runs; numbers not reached are infinite."""
    return analyze(runs, hypotheses).summary


def write_summary(folder: Path, summary: dict[str, Any]) -> Path:
    """Write `analysis_summary.json` into a folder at once; numbers not reached become null."""
    target = folder / SUMMARY
    write_file(target, to_json(summary))
    return target


def _group(group: Group, found: Sample, until: float) -> dict[str, Any]:
    times, seen = found
    outcomes = [member.outcome for member in group.members]
    success, median, rmst = (
        bootstrapped(kind, found, until=until) for kind in ("success", "median", "rmst")
    )
    exact = estimate("median", found)
    row = {
        "label": group.label or "all runs",
        "values": dict(group.values),
        "runs": len(times),
        "grokked": int(seen.sum()),
        **{
            kind: outcomes.count(kind)
            for kind in ("memorized", "unfinished", "diverged", "running")
        },
        "success": success.value,
        "success_low": success.low,
        "success_high": success.high,
        "median": median.value,
        "median_low": median.low,
        "median_high": median.high,
        "median_least": exact.low,
        "median_most": exact.high,
        "rmst": rmst.value,
        "rmst_low": rmst.low,
        "rmst_high": rmst.high,
        "rmst_until": until,
    }
    for kind in ("first", "sustained", "strict"):
        crossed = sample(group.members, f"{kind}_0.99")
        row[f"median_{kind}"] = estimate("median", crossed).value
    return row


def _tests(groups: Sequence[Group], samples: Sequence[Sample]) -> dict[str, Any]:
    """Return the log-rank test over all groups, and between any two where they are few."""
    from scipy import stats  # noqa: PLC0415 - takes a second to load

    statistic, p = logrank(samples)
    found: dict[str, Any] = {"chi2": statistic, "degrees": len(groups) - 1, "p": p, "pairs": []}
    pairs = list(combinations(range(len(groups)), 2))
    for i, j in pairs if len(pairs) <= MOST_PAIRS else ():
        events = samples[i][1].any() or samples[j][1].any()
        data = [stats.CensoredData.right_censored(t, ~seen) for t, seen in (samples[i], samples[j])]
        with np.errstate(all="ignore"):
            test = stats.logrank(*data) if events else None
        found["pairs"].append(
            {
                "groups": [groups[i].label, groups[j].label],
                "z": float(test.statistic) if test else math.nan,
                "p": float(test.pvalue) if test else math.nan,
            }
        )
    return found


def _rows(outcomes: Outcomes) -> list[dict[str, Any]]:
    rows = []
    for member in outcomes.members:
        status = member.status
        last = status.get("last") or {}
        row: dict[str, Any] = {"run": member.run.name}
        row |= {path: member.fields.get(path) for path in outcomes.varying}
        row |= {"outcome": member.outcome, "state": status.get("state"), "step": member.step}
        row |= {key: status.get(key) for key in ("memorized_at", "grokked_at", "seconds")}
        rows.append(row | {key: last.get(key) for key in ("train_acc", "test_acc", "test_loss")})
    return rows
