import json

import polars as pl
import pytest

import grokscope
from grokscope.analyses.metrics_file import evaluate_file
from grokscope.config.options import decode_options
from grokscope.errors import ConfigError, ScienceError

STEPS = [0, 10, 20, 30, 40, 50, 60]
TRAIN = [0.1, 0.98, 0.99, 1.0, 0.9, 1.0, 1.0]
TEST = [0.1, 0.2, 0.995, 0.5, 0.99, 1.0, 0.995]
CURVES = {"step": STEPS, "train_acc": TRAIN, "test_acc": TEST}


def csv(frame, path):
    path.write_bytes(frame.write_csv().encode())


def columns(frame, path):
    path.write_text(json.dumps(frame.to_dict(as_series=False)))


def rows(frame, path):
    path.write_text(json.dumps({"history": frame.to_dicts(), "summary": {}}))


def lines(frame, path):
    path.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dicts()))


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.csv", csv),
        ("a.json", columns),
        ("b.json", rows),
        ("a.jsonl", lines),
        ("a.parquet", lambda frame, path: frame.write_parquet(path)),
    ],
)
def test_milestones_are_those_counted_by_hand(tmp_path, name, write):
    path = tmp_path / name
    write(pl.DataFrame(CURVES), path)
    found = evaluate_file(path)
    assert (found["outcome"], found["memorized_at"], found["grokked_at"]) == ("grokked", 20, 40)
    assert (found["first_0.99_step"], found["strict_0.99_step"]) == (20, 40)
    assert (found["sustained_0.99_delay"], found["last_step"]) == (20, 60)


def test_a_file_tells_what_the_run_tells_from_which_it_was_exported(tmp_path):
    small = ["task.p=5", "model.width=32", "data.train_fraction=0.9", "steps=300", "stop=never"]
    run = grokscope.train("quick", small, out=tmp_path)
    for name in ("a.csv", "a.json"):
        run.export(tmp_path / name)
        found = evaluate_file(tmp_path / name)
        status, analyzed = run.status, run.analyze("grokking_time").scalars
        expected = {key: status[key] for key in ("outcome", "memorized_at", "grokked_at")}
        expected |= {key: analyzed[key] for key in found if key in analyzed}
        assert found == expected
        assert found["memorized_at"] is not None


def test_columns_may_have_other_names_and_gaps(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(
        "epoch,acc,val/acc\n0,0.1,\n0,,0.1\n5,1,\n5,,0.2\n9,,1.0\n9,1,\n12,,nan\n13,,1\n14,,1\n"
    )
    found = evaluate_file(path, step="epoch", train_acc="acc", test_acc="val/acc")
    assert (found["memorized_at"], found["grokked_at"], found["last_step"]) == (5, 9, 14)
    assert evaluate_file(path, step="epoch", train_acc="acc", test_acc="val/acc", k=4)[
        "outcome"
    ] == ("memorized")


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("step,train_acc,val_acc\n0,0,0\n", ConfigError, "no column 'test_acc'"),
        ("step,train_acc,test_acc\n0,a,0\n", ConfigError, "train_acc: expected a column of num"),
        ("step,train_acc,test_acc\n0,1,97.5\n", ScienceError, "shares from 0 to 1, got 97.5"),
        ("step,train_acc,test_acc\n5,1,1\n5,1,1\n", ScienceError, "whole numbers that rise"),
        ("step,train_acc,test_acc\n0.5,1,1\n", ScienceError, "step: expected whole numbers"),
        ("step,train_acc,test_acc\n0,1,\n", ScienceError, "test_acc: nothing was measured"),
        ("", ConfigError, "cannot be read as .csv"),
    ],
)
def test_what_is_no_curve_is_refused_in_one_line(tmp_path, text, error, message):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(error, match=message) as caught:
        evaluate_file(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", "{"),
        ("a.json", "7"),
        ("a.json", '{"step": [1, 2], "train_acc": [1]}'),
        ("a.json", "[" * 100_000),
        ("a.jsonl", "{]"),
        ("a.parquet", "PAR1"),
        ("a.txt", "step\n1\n"),
    ],
)
def test_broken_files_are_refused(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"a\.\w+: (cannot be read|expected a name)"):
        evaluate_file(path)


def test_options_are_checked_like_those_of_an_analysis():
    with pytest.raises(ConfigError, match="unknown option 'tset_acc'; did you mean 'test_acc'"):
        decode_options("grokking_time", evaluate_file, {"tset_acc": "x"})
