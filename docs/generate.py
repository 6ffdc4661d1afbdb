"""Write the parts of the documentation that the program itself can say: `docs/generated/`.

Run without arguments it writes what changed; with `--check` it changes nothing and exits with 1
where a file is stale. Recipes, parts, help texts and error messages are taken from the program as a
user would meet them.
"""

import contextlib
import io
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

os.environ |= {"COLUMNS": "86", "TERMINAL_WIDTH": "86", "NO_COLOR": "1", "TERM": "dumb"}
for variable in [name for name in os.environ if name.startswith("GROKSCOPE_")]:
    del os.environ[variable]

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "faults"))

import board  # noqa: E402 - of the fault harness

from grokscope import cli  # noqa: E402 - the width is read at import
from grokscope.config import recipes  # noqa: E402
from grokscope.config.document import Document  # noqa: E402

GENERATED = ROOT / "docs" / "generated"
VERBS = ("train", "resume", "sweep", "show", "analyze", "pipeline", "report", "dashboard")
VERBS += ("export", "verify")
KINDS = ("task", "model", "loss", "penalty", "optimizer", "metric", "analysis", "plot")
BROKEN = """\
steps: 100
task: {kind: modular, prime: 7}
model: {kind: mlp}
optimizer:
  kind: adamw
  lr: fast
  weight_deccay: 1
"""
TWICE = "seed: 1\nseed: 2\n"
MISTAKES = (
    "train qiuck",
    "train quick optimizer.lr=fast",
    "train quick optimizer.weight_deca=1",
    "train quick optimizer.kind=adamm",
    "train quick task.operation=ad",
    "train quick task.p=1",
    "train quick data.train_fraction=0.0001",
    "train quick model.kind=transformer model.num_heads=3",
    "train broken.yaml",
    "train twice.yaml",
    "show tasks",
)


def main() -> None:
    """Write or check every generated file."""
    check = sys.argv[1:] == ["--check"]
    stale = []
    for name, text in contents().items():
        path = GENERATED / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(str(path.relative_to(ROOT)))
            if not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"{'stale' if check else 'wrote'} {name}")
    sys.exit(1 if check and stale else 0)


def contents() -> dict[str, str]:
    """Return the text of every generated file by name."""
    texts = {"recipes.txt": recipe_pages(), "errors.txt": errors(), "benchmark.txt": benchmark()}
    texts |= {"treatments.txt": treatments(), "faults.txt": faults(), "rivals.txt": rivals()}
    texts |= {f"show-{kind}.txt": said(f"show {kind}") for kind in (*KINDS, "config")}
    texts |= {f"help-{verb}.txt": said(f"{verb} --help") for verb in VERBS}
    return texts | {"help.txt": said("--help"), "show.txt": said("show")}


def recipe_pages() -> str:
    """Return a table of the recipes, then the whole file of each."""
    rows = ["| recipe | what it is, and what to expect | steps at most |", "|---|---|---:|"]
    files = []
    for name, path in recipes().items():
        tree = Document.read(path).mapping()
        notes = " ".join(str(tree.get("notes", "")).split()).replace("|", "\\|")
        rows.append(f"| [`{name}`](#{name}) | {notes} | {int(tree['steps']):,} |")
        where = path.relative_to(ROOT)
        files.append(f'## {name}\n\n```yaml title="{where}"\n--8<-- "{where}"\n```\n')
    return "\n".join([*rows, "", *files])


def newest(pattern: str) -> tuple[Path, Any]:
    """Return the newest stored result of a kind, and what is in it."""
    path = max((ROOT / "benchmarks" / "results").glob(pattern))
    return path, json.loads(path.read_bytes())


def benchmark() -> str:
    """Return the newest stored benchmark as tables: single cases and sweep, then scaling."""
    path, stored = newest("2*.json")
    machine = stored["machine"]
    rows = [
        "| case | plain | grokscope | ratio (quartiles) | floor: products + memory | peak memory |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    scaling = [
        "| p | plain | grokscope | ratio (quartiles) | peak memory, plain and grokscope |",
        "|---:|---:|---:|---:|---:|",
    ]
    for name, case in stored["cases"].items():
        low, high = case["ratio_quartiles"]
        ratio = f"{case['ratio']:.2f} ({low:.2f} to {high:.2f})"
        times = f"{case['plain_ms']:.1f} ms | {case['fast_ms']:.1f} ms | {ratio}"
        if name.startswith("f"):
            memory = f"{case['plain_peak_mb']:,.0f} MB, {case['peak_mb']:,.0f} MB"
            scaling.append(f"| {case['p']} | {times} | {memory} |")
        else:
            floor = f"{case['gemm_floor_ms']:.1f} + {case['memory_floor_ms']:.1f} ms"
            rows.append(f"| {case['label']} | {times} | {floor} | {case['peak_mb']:,.0f} MB |")
    growth = stored["exponent"]
    words = (
        f"Milliseconds a step of one run, medians of {case['blocks']} alternating blocks; "
        f"{machine['threads']} threads, {machine['processor']} with {machine['capability']} "
        f"({machine['gemm_gflops']:.0f} GFLOP/s in products, {machine['copy_gbs']:.0f} GB/s in "
        f"copies), PyTorch {machine['torch']}, commit {machine['commit']}; "
        f"`{path.relative_to(ROOT)}`."
    )
    told = (
        f"A step of the classic network at other moduli: milliseconds grow as "
        f"p^{growth['fast']:.2f} (plain: p^{growth['plain']:.2f}); the examples grow as p²."
    )
    return "\n".join([*rows, "", words, "", told, "", *scaling, ""])


def treatments() -> str:
    """Return what treatments of the numbers did to grokking, seed by seed."""
    path, stored = newest("treatments-*.json")
    names = list(dict.fromkeys(run["treatment"] for run in stored["runs"]))
    rows = [
        "| treatment | memorized | first test accuracy of .99 | sustained (grokked) | median |",
        "|---|---|---|---|---:|",
    ]
    for name in names:
        runs = [run for run in stored["runs"] if run["treatment"] == name]
        cells = [
            " ".join(f"{run[key]:,}" if run[key] is not None else "not seen" for run in runs)
            for key in ("memorized_at", "first_at", "grokked_at")
        ]
        ends = [run["grokked_at"] or float("inf") for run in runs]
        rows.append(f"| {name} | {' | '.join(cells)} | {statistics.median(ends):,.0f} |")
    words = f"Recipe `{stored['recipe']}`, seeds 0 to {len(runs) - 1}; `{path.relative_to(ROOT)}`."
    return "\n".join([*rows, "", words, ""])


def stored_faults(name: str) -> Any:
    """Return what a run of the fault harness wrote down."""
    return json.loads((ROOT / "faults" / "results" / f"{name}.json").read_bytes())


def faults() -> str:
    """Return the scoreboard of the long run of the fault harness, then what durability cost."""
    stored = stored_faults("scores")
    scores = [board.Score(**{k: v for k, v in s.items() if k != "commit"}) for s in stored]
    notes = [f"- {score.group}: {note}" for score in scores for note in score.notes]
    commits = ", ".join(dict.fromkeys(score["commit"] for score in stored))
    told = f"`faults/results/scores.json`, commit {commits}. What the groups say of themselves:"
    cost = stored_faults("cost")
    least, worst = min(cost["first_step_seconds"]), max(cost["first_step_seconds"])
    words = (
        f"Keeping `{cost['recipe']}` ({cost['steps']:,} steps, {cost['checkpoints']} checkpoints "
        f"at the default schedule) took {cost['keeping_seconds']:.1f} s of {cost['seconds']:,.0f}, "
        f"{cost['share']:.2%}. Going on with it took {least:.1f} to {worst:.1f} s to the end of "
        f"the first step, imports left out, {len(cost['first_step_seconds'])} times beside other "
        "work."
    )
    return "\n".join([board.table(scores), "", told, "", *notes, "", words, ""])


def rivals() -> str:
    """Return how three ways to train fared under the same faults."""
    stored = stored_faults("rivals")
    rows = [
        "| fault | | trials | weights | optimizer | history | silent | process ended with |",
        "|---|---|--:|--:|--:|--:|--:|---|",
    ]
    for row in sorted(stored["rows"], key=lambda row: row["fault"]):
        codes = ", ".join(f"{code} ({count})" for code, count in row["codes"].items())
        counts = (row[name] for name in ("trials", "weights", "optimizer", "history", "silent"))
        rows.append(
            f"| {row['fault']} | {row['rival']} | {' | '.join(map(str, counts))} | {codes} |"
        )
    versions = ", ".join(f"{name}: {what}" for name, what in stored["versions"].items())
    return "\n".join([*rows, "", f"{versions}; `faults/results/rivals.json`.", ""])


def errors() -> str:
    """Return a transcript of mistakes and what the command says of them."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "broken.yaml").write_text(BROKEN, encoding="utf-8")
        Path(folder, "twice.yaml").write_text(TWICE, encoding="utf-8")
        return "\n".join(f"$ grokscope {line}\n{said(line, folder)}" for line in MISTAKES)


def said(line: str, folder: str = ".") -> str:
    """Return what `grokscope <line>` prints on a terminal of 86 columns without colors."""
    written = io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(written),
        contextlib.redirect_stderr(written),
        contextlib.suppress(SystemExit),
        mock.patch.object(sys, "argv", ["grokscope", *line.split()]),
    ):
        cli.main()
    return "\n".join(row.rstrip() for row in written.getvalue().strip("\n").splitlines()) + "\n"


if __name__ == "__main__":
    main()
