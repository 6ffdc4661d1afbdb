"""The verb that trains a sweep, as a person or a script meets it."""

import json
import signal
import time
from pathlib import Path

import pytest
from rich.console import Console

import grokscope
from grokscope.cli.sweep_table import Follower, table
from grokscope.sweeps import members, standing
from grokscope.sweeps.file import Sweep
from grokscope.workers import News

FILE = """
recipe: quick
set: {task.p: 5, model.width: 6, data.train_fraction: 0.5, stop: never, steps: STEPS}
grid: {seed: [0, 1, 2]}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "seeds.yaml"
    path.write_text(FILE.replace("STEPS", "30"))
    return path


def test_a_dry_run_says_what_would_be_trained_and_trains_nothing(command, file, tmp_path):
    ending = command("sweep", file, "--out", tmp_path / "runs", "--dry-run")
    assert ending.code == 0
    lines = ending.out.splitlines()
    assert [line.split() for line in lines[:3]] == [
        [f"s{i}", "30", "steps", "new"] for i in (0, 1, 2)
    ]
    assert "3 runs on cpu" in ending.out
    assert lines[-1].startswith("at most ")
    assert lines[-1].endswith(" MB")
    assert not (tmp_path / "runs").exists()


def test_a_sweep_is_trained_told_and_found_done_the_next_time(command, file, tmp_path):
    out = tmp_path / "runs"
    one = command("sweep", file, "--out", out, "--only", "s1", "--no-report")
    assert one.code == 0
    assert "[1/1] s1: finished at step 30" in one.err
    rest = command("sweep", file, "--out", out, "--json", "--workers", "1")
    assert rest.code == 0
    assert "3 members: 2 new, 1 done" in rest.err
    facts = json.loads(rest.out)
    assert facts["sweep"] == str(out / "seeds")
    assert facts["failures"] == {}
    assert [Path(path).name for path in facts["written"]] == [
        "report.html",
        "analysis_summary.json",
    ]
    assert all(Path(path).is_file() for path in facts["written"])
    assert sorted(row["run"] for row in facts["runs"]) == [
        str(out / f"seeds/s{i}") for i in range(3)
    ]
    done = command("sweep", out / "seeds", "--dry-run")
    assert done.code == 0
    assert "nothing is left to train" in done.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "no sweep and no file 'nothing'"),
        (["sweep-quick", "--only", "x"], "no member 'x'"),
        (["sweep-quick", "--start-from", "99"], "no member '99'"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(command, tmp_path, arguments, message):
    ending = command("sweep", *arguments, "--out", tmp_path / "runs")
    assert ending.code == 2
    assert message in ending.err
    assert len(ending.err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_a_member_that_cannot_be_trained_gives_exit_code_1_and_its_reason(command, file, tmp_path):
    out = tmp_path / "runs"
    grokscope.train("quick", ["steps=10", "task.p=7"], out=out / "seeds", name="s1")
    ending = command("sweep", file, "--out", out, "--no-report", "--workers", "1")
    assert ending.code == 1
    assert "failed   s1: " in ending.out
    assert "a run with" in ending.out
    assert {run.name for run in grokscope.open_all(out)} == {"s0", "s1", "s2"}


@pytest.mark.slow
def test_a_signal_stops_every_member_with_a_checkpoint(process, file, tmp_path):
    file.write_text(FILE.replace("STEPS", "100000000"))
    one = process("sweep", file, "--out", tmp_path / "runs", "--no-report", "--workers", "2")
    begun = [tmp_path / f"runs/seeds/s{i}/checkpoints/step_000000200" for i in (0, 1)]
    limit = time.monotonic() + 120
    while not all(path.exists() for path in begun):
        assert time.monotonic() < limit
        assert one.poll() is None
        time.sleep(0.1)
    one.send_signal(signal.SIGTERM)
    _, err = one.communicate(timeout=120)
    assert one.returncode == 75, err
    runs = grokscope.open_all(tmp_path / "runs")
    assert [run.name for run in runs] == ["s0", "s1"]
    assert {run.status["state"] for run in runs} == {"interrupted"}
    assert all(run.steps[-1] == run.status["step"] and run.verify() == [] for run in runs)
    assert f"grokscope sweep {tmp_path / 'runs/seeds'}" in err


def test_the_table_shows_who_is_under_way_first_and_how_many_are_left_out(tmp_path):
    configs = members(Sweep(name="t", recipe="quick", grid={"seed": tuple(range(20))}))
    follower = Follower(configs, standing(configs, tmp_path))
    for step in (100, 300):
        follower.news["s7"] = News("s7", "running", step, 0.5, 0.25)
    follower.states["s7"] = "running"
    follower.states["s3"] = "finished"
    console = Console(width=80, record=True, file=None, force_terminal=False)
    with console.capture() as shown:
        console.print(table(follower, 6))
    lines = shown.get().splitlines()
    assert lines[1].split()[:4] == ["s7", "300/3,000", "0.500", "0.250"]
    assert "and 14 waiting, 1 finished" in lines[-1]
    assert len(lines) == 7
