import csv
import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

import grokscope
from grokscope.cli import app, console
from grokscope.config import recipes
from grokscope.metrics import METRICS
from grokscope.models import MODELS
from grokscope.objectives import LOSSES, PENALTIES
from grokscope.optim import OPTIMIZERS
from grokscope.plots import PLOTS, SWEEP_PLOTS
from grokscope.store.results import ANALYSES
from grokscope.tasks import TASKS

VERBS = ["train", "resume", "sweep", "show", "analyze", "pipeline", "report", "dashboard"]
VERBS += ["export", "verify"]
FACTS = {
    "run",
    "outcome",
    "steps",
    "memorized_at",
    "grokked_at",
    "test_acc",
    "seconds",
    "steps_per_second",
}


def only_object(text):
    """Return the one JSON object that is all of a text."""
    content = json.loads(text)
    assert isinstance(content, dict)
    assert text.endswith("\n")
    return content


def test_training_says_what_happened_and_where(command, tmp_path, small):
    ending = command("train", "quick", *small, "--out", tmp_path, "--name", "mine")
    run = grokscope.open(tmp_path / "mine")
    assert ending.code == 0
    assert f"outcome       {run.outcome}\n" in ending.out
    assert f"run           {run.path}\n" in ending.out
    assert f"report        {run.path / 'report.html'}\n" in ending.out
    assert re.search(r"took +[\d.,]+ s, 40 steps, [\d,]+ a second\n", ending.out)
    assert (run.path / "report.html").exists()


def test_log_lines_are_written_where_there_is_no_terminal(command, tmp_path, small):
    ending = command("train", "quick", *small, "--out", tmp_path, "--no-report")
    lines = ending.err.splitlines()
    assert len(lines) >= 3
    number = r"\d\.\d\d"
    pattern = rf"step +(\d+)  train {number}\d\d  test {number}\d\d"
    pattern += rf"  loss {number}e[+-]\d\d {number}e[+-]\d\d  weight_norm \S+  gradient_norm \S+"
    found = [re.match(pattern, line) for line in lines if line.startswith("step")]
    assert all(found)
    assert [int(match.group(1)) for match in found] == [0, 10, 20, 30, 40]
    assert "\x1b" not in ending.err
    assert not (tmp_path / "quick" / "report.html").exists()


def test_a_bar_is_drawn_on_a_terminal(command, tmp_path, small, monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(console, "err", Console(file=screen, force_terminal=True, width=120))
    ending = command("train", "quick", *small, "--out", tmp_path, "--no-report")
    assert ending.code == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert "40/40" in text
    assert re.search(r"train \d\.\d+ +test \d\.\d+", text)
    assert "step       0" not in text


def test_json_is_one_object_and_nothing_else(command, tmp_path, small):
    ending = command("train", "quick", *small, "--out", tmp_path, "--name", "mine", "--json")
    facts = only_object(ending.out)
    run = grokscope.open(tmp_path / "mine")
    assert set(facts) >= FACTS
    assert facts["run"] == str(run.path)
    assert facts["outcome"] == run.outcome
    assert facts["steps"] == 40
    assert facts["memorized_at"] == run.status["memorized_at"]
    assert facts["grokked_at"] == run.status["grokked_at"]
    assert facts["test_acc"] == run.history["test_acc"][-1]
    assert facts["steps_per_second"] == pytest.approx(40 / facts["seconds"])


def test_going_on_trains_longer(command, run_path):
    ending = command("resume", run_path, "steps=+5", "--json")
    assert ending.code == 0
    assert only_object(ending.out)["steps"] == 45
    assert set(only_object(ending.out)) >= FACTS
    assert (run_path / "report.html").exists()
    assert grokscope.open(run_path).verify() == []


def test_an_analysis_is_printed(command, run_path):
    ending = command("analyze", "grokking_time", run_path)
    assert ending.code == 0
    assert ending.out.splitlines()[0] == str(run_path)
    assert re.search(r"^  last_step +40$", ending.out, re.MULTILINE)
    asked = command("analyze", "grokking_time", run_path, run_path, "k=5", "--json")
    content = only_object(asked.out)
    assert content["analysis"] == "grokking_time"
    assert list(content["results"]) == [str(run_path)]
    assert content["results"][str(run_path)]["last_step"] == 40
    options = [r.provenance["options"] for r in grokscope.open(run_path).results().values()]
    assert options == [{"k": 5}]


def test_a_run_with_an_equals_sign_in_its_name_is_a_run(command, run_path, monkeypatch):
    run_path.rename(run_path.with_name("lr=0.5"))
    monkeypatch.chdir(run_path.parent)
    ending = command("analyze", "grokking_time", "lr=0.5", "--json")
    assert ending.code == 0, ending.err
    assert list(only_object(ending.out)["results"]) == ["lr=0.5"]


def test_a_report_and_figures_are_written(command, run_path):
    ending = command("report", run_path, "--figures", "html", "--json")
    written = only_object(ending.out)["written"]
    names = [str(run_path / "report.html")]
    run = grokscope.open(run_path)
    parts = sorted(PLOTS.values(), key=lambda part: part.order)
    shown = [part.name for part in parts if part.applies(run)]
    assert len(shown) < len(PLOTS)
    names += [str(run_path / "figures" / f"{name}.html") for name in shown]
    assert ending.code == 0
    assert written == names
    assert all(Path(name).stat().st_size > 1000 for name in names)
    assert command("report", run_path).out == f"{run_path / 'report.html'}\n"


def test_a_history_is_exported(command, run_path, tmp_path):
    for name in ("a.csv", "a.json"):
        ending = command("export", run_path, tmp_path / name)
        assert (ending.code, ending.out) == (0, f"{tmp_path / name}\n")
    with open(tmp_path / "a.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [0, 10, 20, 30, 40]
    history = json.loads((tmp_path / "a.json").read_bytes())["history"]
    assert [float(row["test_loss"]) for row in rows] == history["test_loss"]


def test_a_sound_run_verifies(command, run_path):
    assert command("verify", run_path) == (0, f"{run_path}: sound\n", "")
    ending = command("verify", run_path, "--json")
    assert only_object(ending.out) == {"problems": {str(run_path): []}}


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ("recipe", recipes()),
        ("task", TASKS),
        ("model", MODELS),
        ("loss", LOSSES),
        ("penalty", PENALTIES),
        ("optimizer", OPTIMIZERS),
        ("metric", METRICS),
        ("analysis", ANALYSES),
        ("plot", {**PLOTS, **SWEEP_PLOTS}),
    ],
)
def test_every_part_is_shown_and_explained(command, kind, known):
    ending = command("show", kind, "--json")
    content = only_object(ending.out)
    assert set(content) == set(known)
    assert all(words.strip() for words in content.values())
    text = command("show", kind).out
    assert all(name in text for name in known)
    for name in known:
        one = command("show", kind, name)
        assert one.code == 0
        assert one.out.strip()


def test_a_field_is_explained_with_its_default(command):
    ending = command("show", "task", "modular", "--json")
    fields = only_object(ending.out)
    assert fields["p"] == "The modulus; it need not be prime. [>= 2, <= 4096] (default 113)"
    assert all(words for name, words in fields.items() if name != "kind")
    assert "(default 10000)" in only_object(command("show", "config", "--json").out)["steps"]


def test_the_schema_is_json(command):
    assert only_object(command("show", "schema").out)["$defs"]["Modular"]
    assert only_object(command("show", "schema", "--json").out)["$defs"]["Modular"]


def test_everything_is_shown_at_once(command):
    content = only_object(command("show", "--json").out)
    assert "quick" in content["recipe"]
    assert set(content["optimizer"]) == set(OPTIMIZERS)
    assert "training_curves" in command("show").out


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_has_an_example(verb):
    done = CliRunner().invoke(app, [verb, "--help"], env={"COLUMNS": "200"})
    words = " ".join(done.output.split())
    assert done.exit_code == 0
    assert "Example: grokscope " + verb in words


def test_every_verb_is_known_to_these_tests():
    assert sorted(command.name for command in app.registered_commands) == sorted(VERBS)


def test_the_version_is_that_of_the_package(command):
    assert command("--version") == (0, f"grokscope {grokscope.__version__}\n", "")
