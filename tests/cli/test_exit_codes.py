import fcntl
import json

import pytest

import grokscope
from grokscope.store import checkpoint

BAD = [
    (["train", "quick", "stepz=3"], "command line: stepz: unknown key; did you mean 'steps'?"),
    (["train", "quick", "task.p=1"], "command line: task.p: expected greater than or equal to 2"),
    (["train", "quick", "steps=abc"], "command line: steps: expected a valid integer"),
    (["train", "quick", "steps"], "'steps': expected path=value"),
    (
        ["train", "quick", "task.p=6", "task.operation=divide", "task.divisors=nonzero"],
        "command line: task.p: division by 2 does not exist modulo 6",
    ),
    (["train", "quick", "data.train_fraction=0"], "command line: data.train_fraction: expected"),
    (["train", "quick", "data.train_fraction=1.5"], "command line: data.train_fraction: expected"),
    (["train", "quick", "task.p=2", "data.train_fraction=0.1"], "data.train_fraction: 0.1 of 4"),
    (
        ["train", "quick", "model={kind: transformer, d_model: 10, num_heads: 4}"],
        "command line: model.num_heads: 4 does not divide d_model 10",
    ),
    (["train", "quick", "model.kind=mpl"], "command line: model.kind: unknown kind 'mpl'; did"),
    (["train", "quick", "optimizer.lr=.inf"], "command line: optimizer.lr: expected"),
    (["train", "quick", "optimizer.betas.9=1"], "command line: optimizer.betas.9: '9' is not one"),
    (["train", "quik"], "no recipe and no file 'quik'; did you mean 'quick'?"),
    (["train", "missing.yaml"], "missing.yaml: no such file or directory"),
    (["train", "quick", "--name", "../x"], "name: expected letters, digits and"),
    (["train", "quick", "--name", "x" * 300], "name: expected letters, digits and"),
    (["resume", "missing"], "missing: no such directory"),
    (["analyze", "grokking_time", "missing"], "missing: no such directory"),
    (["analyze", "grokking_time", "k=3"], "analyze: name at least one run directory"),
    (["report", "missing"], "missing: no such directory"),
    (["export", "missing", "a.csv"], "missing: no such directory"),
    (["verify", "missing"], "missing: no such directory"),
    (["show", "tsk"], "show: unknown kind 'tsk'; did you mean 'task'?"),
    (["show", "task", "modulr"], "unknown task 'modulr'; did you mean 'modular'?"),
    (["show", "recipe", "quik"], "no recipe 'quik'; did you mean 'quick'?"),
]


@pytest.mark.parametrize(("arguments", "expected"), BAD, ids=[" ".join(bad[0])[:40] for bad in BAD])
def test_a_bad_request_is_one_line_and_exit_code_2(
    command, tmp_path, monkeypatch, arguments, expected
):
    monkeypatch.chdir(tmp_path)
    ending = command(*arguments)
    assert ending.code == 2
    assert ending.out == ""
    (line,) = ending.err.splitlines()
    assert line.startswith(f"grokscope: {expected}")
    assert list(tmp_path.iterdir()) == []


def test_every_problem_has_a_line(command, tmp_path):
    ending = command("train", "quick", "task.p=1", "stepz=3", "seed=-1", "--out", tmp_path)
    assert (ending.code, ending.out) == (2, "")
    assert len(ending.err.splitlines()) == 3
    assert all(line.startswith("grokscope: command line: ") for line in ending.err.splitlines())


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        (["task.p=1", "optimizer.lrr=3"], {}, ["command line: task.p", "command line: optimizer."]),
        (
            [],
            {"GROKSCOPE_STEPZ": "3"},
            ["GROKSCOPE_STEPZ: stepz: unknown key; did you mean 'steps'"],
        ),
        (["x.yaml"], {}, ["x.yaml:3: duplicate key 'seed'"]),
    ],
    ids=["overrides", "environment", "file"],
)
def test_a_process_with_a_bad_configuration_says_only_that(
    process, tmp_path, arguments, environment, expected
):
    (tmp_path / "x.yaml").write_text("task: {kind: modular}\nseed: 1\nseed: 2\n")
    source = [tmp_path / "x.yaml"] if arguments == ["x.yaml"] else ["quick", *arguments]
    one = process("train", *source, "--out", tmp_path / "runs", **environment)
    out, err = one.communicate(timeout=120)
    assert one.returncode == 2
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == len(expected)
    for line, words in zip(lines, expected, strict=True):
        assert line.startswith("grokscope: ")
        assert words in line
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("arguments", [["trian"], ["train"], ["train", "quick", "--nmae", "x"]])
def test_wrong_usage_is_exit_code_2(command, arguments):
    ending = command(*arguments)
    assert ending.code == 2
    assert ending.out == ""
    assert "Usage: grokscope" in ending.err


@pytest.mark.parametrize("arguments", [["resume"], ["resume", "steps=+5"]])
def test_a_locked_run_is_exit_code_3(command, run_path, arguments):
    with open(run_path / ".lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        verb, *rest = arguments
        ending = command(verb, run_path, *rest)
    assert (ending.code, ending.out) == (3, "")
    assert ending.err == f"grokscope: {run_path}: is being written by another process: unknown\n"


def test_a_diverged_run_is_exit_code_4_and_may_be_looked_at(command, tmp_path, small):
    ending = command("train", "quick", *small, "optimizer.lr=1e30", "--out", tmp_path)
    assert (ending.code, ending.out) == (4, "")
    last = ending.err.splitlines()[-1]
    assert last.startswith(f"grokscope: {tmp_path / 'quick'}: the objective is ")
    assert "take a smaller optimizer.lr" in last
    assert command("verify", tmp_path / "quick").code == 0
    assert command("report", tmp_path / "quick").code == 0
    assert command("analyze", "grokking_time", tmp_path / "quick").code == 0


def test_a_place_that_cannot_be_written_is_exit_code_5(command, tmp_path, small):
    (tmp_path / "file").write_bytes(b"")
    ending = command("train", "quick", *small, "--out", tmp_path / "file" / "runs")
    assert (ending.code, ending.out) == (5, "")
    (line,) = ending.err.splitlines()
    assert "not a directory" in line


def test_an_export_that_cannot_be_written_is_exit_code_5(command, run_path, tmp_path):
    ending = command("export", run_path, tmp_path / "missing" / "a.csv")
    assert (ending.code, ending.out) == (5, "")
    assert len(ending.err.splitlines()) == 1


def damage(run, *steps):
    for step in steps:
        (checkpoint.directory(run, step) / "model.safetensors").write_bytes(b"")


def test_damage_is_exit_code_5_while_a_valid_state_is_left(command, run_path):
    damage(run_path, 40)
    ending = command("verify", run_path)
    assert ending.code == 5
    (line,) = ending.out.splitlines()
    assert "model.safetensors: does not match its SHA-256 in the manifest" in line
    ending = command("verify", run_path, "--json")
    assert ending.code == 5
    assert len(json.loads(ending.out)["problems"][str(run_path)]) == 1
    assert command("resume", run_path).code == 0
    assert command("verify", run_path).code == 0


def test_damage_is_exit_code_6_where_no_valid_state_is_left(command, run_path):
    damage(run_path, *grokscope.open(run_path).steps)
    assert command("verify", run_path).code == 6
    ending = command("resume", run_path)
    assert (ending.code, ending.out) == (6, "")
    (line,) = ending.err.splitlines()
    assert "no valid checkpoint is left" in line


def test_the_worst_run_decides_the_exit_code(command, run_path, kept):
    damage(run_path, 40)
    assert command("verify", kept, run_path, kept).code == 5


def test_an_unreadable_run_is_a_line_and_an_exit_code(command, run_path):
    (run_path / "status.json").write_bytes(b"{")
    for verb in (["resume"], ["report"], ["analyze", "grokking_time"]):
        ending = command(*verb, run_path)
        assert ending.code == 6
        assert ending.err == f"grokscope: {run_path / 'status.json'}: not JSON\n"


@pytest.mark.parametrize("option", ["kk=5", "k=five", "k=0", "memorized=high"])
def test_an_option_without_a_meaning_is_exit_code_2(command, run_path, option):
    ending = command("analyze", "grokking_time", run_path, option)
    assert (ending.code, ending.out) == (2, "")
    assert len(ending.err.splitlines()) == 1


def test_figures_of_another_ending_are_exit_code_2(command, run_path):
    ending = command("report", run_path, "--figures", "gif")
    assert (ending.code, ending.out) == (2, "")
    assert "expected .html" in ending.err


def test_a_file_that_exists_is_exit_code_2(command, run_path, tmp_path):
    (tmp_path / "a.csv").write_bytes(b"mine")
    ending = command("export", run_path, tmp_path / "a.csv")
    assert (ending.code, ending.out) == (2, "")
    assert "exists already" in ending.err
    assert (tmp_path / "a.csv").read_bytes() == b"mine"


def test_a_run_that_exists_is_exit_code_2(command, run_path, small):
    ending = command("train", "quick", *small, "--out", run_path.parent, "--name", "run")
    assert (ending.code, ending.out) == (2, "")
    (line,) = ending.err.splitlines()
    assert "exists already and is never overwritten" in line
    assert f"grokscope resume {run_path}" in line


def test_a_list_index_may_come_from_the_command_line(command, tmp_path, small):
    ending = command(
        "train", "quick", *small, "optimizer.betas.1=0.5", "--out", tmp_path, "--no-report"
    )
    assert ending.code == 0
    assert grokscope.open(tmp_path / "quick").config.optimizer.betas == (0.9, 0.5)
