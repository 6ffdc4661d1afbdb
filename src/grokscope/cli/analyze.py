"""`grokscope analyze`: an analysis of stored runs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from grokscope.cli.console import answer
from grokscope.cli.options import Json


def command(
    name: Annotated[str, typer.Argument(help="The analysis (see: grokscope show analysis).")],
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN... [OPTION=VALUE]...", help="Runs, then options.")
    ],
    json: Json = False,
) -> None:
    """Analyze runs; a result made before is read back.

    `lead_time` and `sweep` compare many runs: give folders of them. `sweep` takes `hypothesis=...`
    as often as wanted. `grokking_time` also reads curves that another program stored: a file of
    CSV, JSON or Parquet, with `step=`, `train_acc=` and `test_acc=` where it names them otherwise.

    Example: [bold]grokscope analyze grokking_time runs/quick k=5[/bold]
    """
    import json as json_

    from grokscope.cli.console import computing
    from grokscope.config.decode import parse_override
    from grokscope.errors import ConfigError
    from grokscope.store import COMPARISONS, open_run

    paths = [text for text in runs if "=" not in text or Path(text).exists()]
    if name == "sweep":
        _sweep(paths, [text for text in runs if text not in paths], json)
        return
    options = dict(parse_override(text) for text in runs if text not in paths)
    if not paths:
        raise ConfigError("analyze: name at least one run directory")
    if name in COMPARISONS:
        compare(name, paths, options, json=json)
        return
    results: dict[str, dict[str, Any]] = {}
    if files := [path for path in paths if Path(path).is_file()]:
        results = _files(name, files, options, runs=len(paths) - len(files))
        paths = []
    for run in [open_run(path) for path in paths]:
        with computing(f"{run.name} {name}"):
            results[str(run.path)] = run.analyze(name, **options).scalars
    if json:
        answer(json_.dumps({"analysis": name, "results": results}))
        return
    for path, scalars in results.items():
        answer(path)
        width = max(map(len, scalars))
        for key, value in scalars.items():
            answer(f"  {key:<{width}}  {'–' if value is None else _shown(value)}")


def compare(name: str, folders: list[str], options: dict[str, Any], *, json: bool) -> None:
    """Answer with one row for each thing compared over all runs below some folders."""
    import json as json_

    import polars as pl

    from grokscope.config.options import decode_options
    from grokscope.store import COMPARISONS, Runs, open_all

    function = COMPARISONS[name]
    chosen = decode_options(name, function, options)
    runs = Runs(tuple(run for folder in folders for run in open_all(folder)))
    table = function(runs, **chosen)
    if json:
        answer(json_.dumps({"analysis": name, "rows": table.to_dicts()}))
        return
    flat = table.select(pl.exclude(pl.List(pl.Int64)))
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_hide_column_data_types=True, tbl_width_chars=200):
        answer(str(flat))


def _files(
    name: str, files: list[str], options: dict[str, Any], *, runs: int
) -> dict[str, dict[str, Any]]:
    """Return what bare files of curves tell of grokking; of the analyses that is the only one."""
    from grokscope.analyses.metrics_file import evaluate_file
    from grokscope.config.options import decode_options
    from grokscope.errors import ConfigError

    if name != "grokking_time":
        raise ConfigError(f"{files[0]}: {name} needs a run; of a file only grokking_time is told")
    if runs:
        raise ConfigError("analyze: name runs or files of curves, not both at once")
    chosen = decode_options(name, evaluate_file, options)
    return {file: evaluate_file(file, **chosen) for file in files}


def _sweep(paths: list[str], options: list[str], json: bool) -> None:
    from grokscope.cli.findings import analyze_folders
    from grokscope.errors import ConfigError

    other = [text for text in options if text.partition("=")[0] != "hypothesis"]
    if other:
        raise ConfigError(f"sweep: unknown option {other[0]!r} (known: hypothesis=...)")
    if not paths:
        raise ConfigError("analyze: name at least one folder of runs")
    analyze_folders(paths, [text.partition("=")[2] for text in options], json=json)


def _shown(value: Any) -> str:
    return f"{value:,.6g}" if isinstance(value, float) else str(value)
