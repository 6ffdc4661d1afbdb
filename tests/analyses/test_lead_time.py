"""Runs whose alarms are known: written by hand, one curve a column."""

import json
import math

import pytest

from grokscope.analyses.lead_time import lead_time
from grokscope.cli.analyze import compare
from grokscope.config import load
from grokscope.errors import ScienceError
from grokscope.plots.lead_time import lead_time as draw
from grokscope.store import create, open_all

CROSSED = 16
BUMP = 0.3


def write(folder, name, columns, *, groks, steps=20, best=1.0):
    """Write a run measured every 10 steps that memorizes at step 20."""
    with create(folder / name, load("quick", environment={}), {}) as writer:
        for i in range(steps):
            row = {
                "train_acc": 1.0 if i >= 2 else 0.5,
                "test_acc": best if groks and i >= CROSSED else 0.1,
                "lookup_baseline": 0.1,
            }
            writer.measured(10 * i, row | {key: f(i) for key, f in columns.items()}, float(i))
        writer.finish(compact=True, state="finished", step=10 * steps)


def still(i):
    return 1.0


def bump(i):
    return 1.0 + (BUMP if 10 <= i <= 12 else 0.0)


def steps_up(at, by):
    return lambda i: 1.0 + (by if i >= at else 0.0)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("lead-time")
    for number, at in enumerate((8, 10, 12)):
        columns = {
            "early": steps_up(at, 5.0),
            "late": steps_up(18, 5.0),
            "blip": lambda i: 1.0 + (5.0 if i in (9, 10) else 0.0),
            "deaf": still,
            "ratio": lambda i, at=at: math.exp(-9.0 if i >= at + 2 else 0.0),
            "some": steps_up(at, 5.0),
        }
        write(tmp_path, f"grok-{number}", columns, groks=True)
    for number in range(3):
        columns = {
            "early": bump,
            "late": bump,
            "blip": lambda i: 1.0 + (BUMP if i == 10 else 0.0),
            "deaf": steps_up(8, 1.0) if number == 0 else bump,
            "ratio": bump,
        }
        columns |= {"some": bump} if number == 0 else {}
        write(tmp_path, f"null-{number}", columns, groks=False, steps=40)
    # Above (1 + .1)/2 but below .99: neither grokked nor null, whatever its curves do.
    write(tmp_path, "half-way", dict.fromkeys(columns, steps_up(3, 9.0)), groks=True, best=0.7)
    write(tmp_path, "never-memorized", {}, groks=False, steps=1)
    return open_all(tmp_path)


def test_alarms_are_those_of_the_curves(runs):
    table = lead_time(runs)
    found = {row["column"]: row for row in table.to_dicts()}
    early = found["early"]
    assert early["leads"] == [10 * (CROSSED - at) for at in (8, 10, 12)]
    assert (early["detected"], early["lead"], early["shortest"]) == (3, 60.0, 40)
    assert early["share"] == pytest.approx(60 / 140)
    assert (early["grokking"], early["null"], early["false_alarms"]) == (3, 3, 0)
    assert not early["log"]
    assert found["ratio"]["log"]
    assert found["ratio"]["leads"] == [10 * (CROSSED - at) - 20 for at in (8, 10, 12)]
    assert found["late"]["detected"] == found["blip"]["detected"] == 0
    assert table["column"].to_list()[:2] == ["early", "ratio"]


def test_a_null_run_that_strays_sets_the_threshold_and_is_a_false_alarm(runs):
    deaf = next(row for row in lead_time(runs).to_dicts() if row["column"] == "deaf")
    assert deaf["false_alarms"] == 1
    assert deaf["detected"] == 0
    assert deaf["threshold"] == pytest.approx(2 * BUMP)
    wide = next(r for r in lead_time(runs, factor=4.0).to_dicts() if r["column"] == "deaf")
    assert wide["threshold"] == pytest.approx(4 * BUMP)
    assert wide["false_alarms"] == 0  # four bumps are more than the step of one


def test_columns_that_few_null_runs_measured_are_left_out(runs):
    columns = lead_time(runs)["column"].to_list()
    assert "some" not in columns
    assert "step" not in columns
    assert "seconds" not in columns


def test_more_in_a_row_alarm_later_or_not_at_all(runs):
    found = {row["column"]: row for row in lead_time(runs, k=2).to_dicts()}
    assert found["blip"]["detected"] == 3
    assert found["blip"]["leads"] == [10 * (CROSSED - 9)] * 3


def test_a_picture_shows_the_measures_that_saw_it_coming(runs):
    figure = draw(lead_time(runs))
    shown = {name for bar in figure.data if bar.type == "bar" for name in bar.y}
    assert {name.split()[0] for name in shown} == {"early", "ratio"}
    dots = [x for trace in figure.data if trace.type == "scatter" for x in trace.x]
    assert sorted(dots) == [20, 40, 40, 60, 60, 80]


def test_runs_without_a_control_are_refused(runs):
    some = [run for run in runs if not run.name.startswith("null")]
    with pytest.raises(ScienceError, match=r"has 3 and 0 \(null: weight decay 0"):
        lead_time(type(runs)(tuple(some)))


def test_the_command_compares_the_runs_below_a_folder(runs, capsys):
    folder = str(runs[0].path.parent)
    compare("lead_time", [folder], {"k": 2}, json=True)
    said = json.loads(capsys.readouterr().out)
    assert said["rows"] == lead_time(runs, k=2).to_dicts()
    compare("lead_time", [folder], {}, json=False)
    assert "early" in capsys.readouterr().out
