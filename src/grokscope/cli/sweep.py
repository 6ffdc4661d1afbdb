"""`grokscope sweep`: many runs from one file."""

import dataclasses
import json as json_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from grokscope.cli.console import answer, err
from grokscope.cli.options import Json, Report

if TYPE_CHECKING:
    from grokscope.store import Runs
    from grokscope.sweeps import Standing, Sweep


def command(
    file: Annotated[str, typer.Argument(help="A sweep (see: grokscope show sweep) or a file.")],
    out: Annotated[Path, typer.Option(help="Folder in which the sweep's own is placed.")] = Path(
        "runs"
    ),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print members, plan, time and disk; train nothing.")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option(help="Train this member; may be given again.")
    ] = None,
    start_from: Annotated[
        str | None, typer.Option(help="Begin with this member, by name or number from 1.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Runs at once.")] = None,
    executor: Annotated[
        Literal["local", "ray", "slurm"] | None, typer.Option(help="Where to train.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Only 200 steps of each member.")] = False,
    allow_drift: Annotated[
        bool, typer.Option("--allow-drift", help="Go on under other conditions; recorded.")
    ] = False,
    report: Report = True,
    json: Json = False,
) -> None:
    """Train what is missing of a sweep, nothing twice.

    Example: [bold]grokscope sweep sweep-quick --dry-run[/bold]
    """
    from grokscope import sweeps
    from grokscope.cli.signals import stopping
    from grokscope.cli.sweep_table import following
    from grokscope.sweeps.execute import choose
    from grokscope.sweeps.execute import quick as shortened

    sweep = sweeps.load_sweep(file)
    if Path(file).is_dir():  # a sweep that was begun goes on where it is
        out, sweep = Path(file).parent, dataclasses.replace(sweep, name=Path(file).resolve().name)
    sweep = shortened(sweep) if quick else sweep
    if dry_run:
        _dry_run(sweep, out, only or [], start_from, workers, json)
        return
    every = sweeps.members(sweep)
    configs = choose(every, only=only or [], start_from=start_from)
    stands = sweeps.standing(configs, out / sweep.name, among=every)
    _tell_standing(stands, len(configs))
    with stopping() as stop:
        with following(sweep.name, configs, stands) as told:
            runs = sweeps.run_sweep(
                sweep,
                out=out,
                only=only or [],
                start_from=start_from,
                workers=workers,
                executor=executor,
                told=told,
                stop_requested=stop,
                allow_drift=allow_drift,
            )
        _finish(runs, out / sweep.name, told.failures, stop.code, report=report, json=json)


def _tell_standing(stands: "Standing", total: int) -> None:
    counts = {"new": stands.new, "begun": stands.begun, "done": stands.done}
    told = ", ".join(f"{len(names)} {word}" for word, names in counts.items() if names)
    err.print(f"{total} members: {told or 'none can be trained'}", markup=False)
    for name in stands.gone:
        err.print(f"{name} is in the folder but no member; it is left as it is", markup=False)


def _dry_run(
    sweep: "Sweep",
    out: Path,
    only: list[str],
    start_from: str | None,
    workers: int | None,
    json: bool,
) -> None:
    from grokscope import sweeps
    from grokscope.engine import plan
    from grokscope.sweeps.estimate import estimate
    from grokscope.sweeps.execute import choose

    every = sweeps.members(sweep)
    configs = choose(every, only=only, start_from=start_from)
    stands = sweeps.standing(configs, out / sweep.name, among=every)
    missing = {name: configs[name] for name in configs if name in stands.missing}
    states = {name: _state(name, stands) for name in configs}
    planned = plan(list(missing.values()), workers=workers) if missing else None
    cost = estimate(missing, planned) if planned else None
    if json:
        facts = {"sweep": sweep.name, "members": states, "gone": stands.gone}
        told = {"seconds": cost.seconds, "bytes": cost.bytes} if cost else {}
        answer(json_.dumps({**facts, "plan": str(planned or ""), **told}))
        return
    width = max(map(len, states))
    for name, state in states.items():
        answer(f"{name:<{width}}  {configs[name].steps:>9,} steps  {state}")
    for name in stands.gone:
        answer(f"{name:<{width}}  {'':>15}  no member, left as it is")
    if cost is not None:
        answer(f"\n{planned}")
        answer(f"at most {duration(cost.seconds)} and {cost.bytes / 1e6:,.0f} MB")
    else:
        answer("\nnothing is left to train")


def _state(name: str, stands: "Standing") -> str:
    if name in stands.blocked:
        return f"blocked: {stands.blocked[name]}"
    words = {"new": stands.new, "begun": stands.begun, "done": stands.done}
    return next(word for word, names in words.items() if name in names)


def duration(seconds: float) -> str:
    """Return a time in words: `2 h 05 min`, `3 min 20 s`, `12 s`.

    >>> [duration(x) for x in (7500, 200, 12)]
    ['2 h 05 min', '3 min 20 s', '12 s']
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _finish(
    runs: "Runs", folder: Path, failures: dict[str, str], code: int, *, report: bool, json: bool
) -> None:
    """Say what became of a sweep, write its report, and exit with `code` if a signal ended it."""
    from grokscope.cli.findings import report_folder, tell

    written: list[Path] = []
    if report and len(runs) and not code:
        found, written = report_folder(folder)
        if not json:
            tell(found.summary)
            answer("")
    if json:
        facts = {
            "sweep": str(folder),
            "runs": [run.summary() for run in runs],
            "failures": failures,
            "interrupted": bool(code),
            "written": [str(path) for path in written],
        }
        answer(json_.dumps(facts))
    else:
        grokked = sum(run.outcome == "grokked" for run in runs)
        answer(f"runs     {len(runs)}, of which {grokked} grokked")
        for name, reason in failures.items():
            answer(f"failed   {name}: {reason}")
        answer(f"sweep    {folder}")
        if written:
            answer(f"report   {written[0]}")
    if code:
        err.print(f"stopped; go on with\n  grokscope sweep {folder}", markup=False)
        raise typer.Exit(code)
    if failures:
        raise typer.Exit(1)
