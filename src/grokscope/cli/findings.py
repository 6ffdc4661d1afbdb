"""Folders of runs for the verbs that look at many: what is in them and what was expected."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grokscope.cli.console import answer, err

if TYPE_CHECKING:
    from grokscope.analyses.sweep import Findings


def is_folder_of_runs(path: Path) -> bool:
    """Return whether a path is a directory that is not itself a run."""
    return path.is_dir() and not (path / "config.yaml").exists()


def findings(folders: Sequence[Path], hypotheses: Sequence[str]) -> tuple["Findings", str]:
    """Return what the runs of folders found together, and the notes of their sweep files.

    Judged are the hypotheses given, then those of the sweep files in the folders.
    """
    from grokscope.analyses.sweep import analyze
    from grokscope.errors import ConfigError
    from grokscope.store import Runs, open_all
    from grokscope.sweeps import load_sweep

    opened = [open_all(folder) for folder in folders]
    runs = {run.path.resolve(): run for part in opened for run in part}
    if not runs:
        raise ConfigError(f"{', '.join(map(str, folders))}: no run in there")
    problems = tuple(problem for part in opened for problem in part.problems)
    sweeps = [load_sweep(folder) for folder in folders if (folder / "sweep.yaml").is_file()]
    asked = [*hypotheses, *(text for sweep in sweeps for text in sweep.hypotheses)]
    found = analyze(Runs(tuple(runs.values()), problems), list(dict.fromkeys(asked)))
    return found, " ".join(sweep.notes for sweep in sweeps if sweep.notes)


def report_folder(folder: Path, figures: str | None = None) -> tuple["Findings", list[Path]]:
    """Write report, summary and, by their ending, figures of a folder; return what and where."""
    from grokscope.analyses.sweep import write_summary
    from grokscope.plots import SWEEP_PLOTS
    from grokscope.reports import write_plots, write_sweep_report

    found, notes = findings([folder], [])
    title = folder.resolve().name
    report = write_sweep_report(found, folder / "report.html", title=title, notes=notes)
    written = [report, write_summary(folder, found.summary)]
    if figures is not None:
        written += write_plots(SWEEP_PLOTS, found, folder / "figures", figures)
    return found, written


def analyze_folders(paths: Sequence[str], hypotheses: Sequence[str], *, json: bool) -> None:
    """Write analysis_summary.json into the first folder; print groups and verdicts."""
    from grokscope.analyses.sweep import write_summary
    from grokscope.store.durable import to_json

    folders = [Path(path) for path in paths]
    found, _ = findings(folders, hypotheses)
    written = write_summary(folders[0], found.summary)
    for problem in found.summary["problems"]:
        err.print(problem, markup=False)
    if json:
        answer(to_json(found.summary).decode().rstrip())
        return
    tell(found.summary)
    answer(f"\nwritten     {written}")


def tell(summary: dict[str, Any]) -> None:
    """Print the groups and the verdicts of a summary."""
    from grokscope.analyses.verdicts import amount

    groups = summary["groups"]
    width = max(5, *(len(row["label"]) for row in groups))
    answer(f"{'group':<{width}}  {'grokked':>9}  {'median':>11}  {'mean*':>9}")
    for row in groups:
        grokked = f"{row['grokked']}/{row['runs']}"
        median, mean = amount(row["median"]), amount(row["rmst"])
        answer(f"{row['label']:<{width}}  {grokked:>9}  {median:>11}  {mean:>9}")
    answer(f"* restricted to {amount(groups[0]['rmst_until'])} steps, with censored runs")
    for row in summary["hypotheses"]:
        answer(f"\n{row['verdict']:<10}  {row['hypothesis']}")
        for one in row["comparisons"]:
            answer(f"            {one['words']}")
