import json
import shutil

import numpy as np
import pandas
import polars as pl
import pytest
import torch

import grokscope
from grokscope.config import encode
from grokscope.errors import ConfigError, NoValidStateError
from grokscope.store import checkpoint, results
from grokscope.store.results import ANALYSES


@pytest.fixture
def run(run_path):
    return grokscope.open(run_path)


def files(path):
    return {p: p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


def test_a_run_tells_what_it_is(run, small_config):
    assert run.name == "run"
    assert run.steps == [0, 5, 20, 40]
    assert run.history["step"].to_list() == [0, 5, 10, 20, 30, 40]
    assert run.history.columns[-1] == "seconds"
    assert run.config.task == small_config().task
    assert run.outcome == run.status["outcome"]
    assert torch.__version__.startswith(run.provenance["packages"]["torch"].partition("+")[0])


def test_a_snapshot_has_the_weights_and_the_data_of_its_step(run):
    for step in run.steps:
        snapshot = run.snapshot(step)
        row = run.history.row(by_predicate=pl.col("step") == step, named=True)
        targets = snapshot.problem.train.targets
        accuracy = (snapshot.train_logits.argmax(-1) == targets).double().mean()
        assert float(accuracy) == row["train_acc"]
        assert float(torch.linalg.vector_norm(snapshot.params)) == row["weight_norm"]
    assert run.snapshot().step == 40


def test_a_step_that_was_not_saved_names_the_nearest(run):
    with pytest.raises(ConfigError, match="no checkpoint at step 22; the nearest is 20"):
        run.snapshot(22)


def test_a_place_without_a_run_is_named(tmp_path):
    with pytest.raises(ConfigError, match="nothing: no such directory"):
        grokscope.open(tmp_path / "nothing")
    with pytest.raises(ConfigError, match=r"is not a run \(no config\.yaml\)"):
        grokscope.open(tmp_path)
    with pytest.raises(ConfigError, match="nothing: no such directory"):
        grokscope.open_all(tmp_path / "nothing")


def test_reading_changes_nothing(run):
    run.analyze("grokking_time")
    before = files(run.path)
    assert run.verify() == []
    _ = run.history, run.status, run.provenance, run.summary(), run.results(), run.outcome
    run.snapshot()
    run.analyze("grokking_time")
    grokscope.open_all(run.path.parent).table()
    assert files(run.path) == before


def damage_model(path):
    (checkpoint.directory(path, 20) / "model.safetensors").write_bytes(b"")


def damage_history(path):
    (path / "history.parquet").write_bytes(b"PAR1")


def lose_rows(path):
    (path / "history.parquet").unlink()


def lose_status(path):
    (path / "status.json").unlink()


def lose_provenance(path):
    (path / "provenance.json").unlink()


def break_status(path):
    (path / "status.json").write_bytes(b"{")


def change_configuration(path):
    text = (path / "config.yaml").read_text()
    (path / "config.yaml").write_text(text.replace("weight_decay: 1.0", "weight_decay: 3.0"))


def break_configuration(path):
    (path / "config.yaml").write_bytes(b"\xff")


def damage_result(path):
    (next(path.glob("results/*/*")) / "result.json").write_bytes(b"{}")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (damage_model, r"model\.safetensors: does not match its SHA-256"),
        (damage_history, r"history\.parquet: does not match its SHA-256"),
        (lose_rows, "history has 0 rows, a checkpoint counts 6"),
        (lose_status, r"status\.json: missing"),
        (lose_provenance, r"provenance\.json: missing"),
        (break_status, r"status\.json: not JSON"),
        (change_configuration, r"config\.yaml: "),
        (break_configuration, r"config\.yaml: not UTF-8"),
        (damage_result, r"result\.json: does not match its SHA-256"),
    ],
)
def test_verifying_names_what_is_wrong(run, harm, words):
    assert run.verify() == []
    harm(run.path)
    problems = grokscope.open(run.path).verify()
    assert len(problems) == 1
    assert len(problems[0].splitlines()) == 1
    with pytest.raises(NoValidStateError, match=words):
        raise NoValidStateError(problems[0])


def test_one_damaged_run_hides_no_other(tmp_path, finished):
    for name in ("a", "b", "c", "d"):
        shutil.copytree(finished, tmp_path / "deep" / name)
    (tmp_path / "deep" / "b" / "config.yaml").write_bytes(b"\xff\xfe")
    (tmp_path / "deep" / "c" / "status.json").write_bytes(b"{")
    runs = grokscope.open_all(tmp_path)
    assert [run.name for run in runs] == ["a", "d"]
    assert len(runs) == 2
    assert len(runs.problems) == 2
    assert "b/config.yaml: not UTF-8" in runs.problems[0]
    assert "c/status.json: not JSON" in runs.problems[1]
    assert len(runs.table()) == 2


def test_the_table_has_a_row_a_run_and_a_column_a_field(tmp_path, small_config):
    for seed, kind in ((0, "adamw"), (1, "sgd")):
        grokscope.train(
            small_config(f"seed={seed}", f"optimizer.kind={kind}", "steps=5"),
            out=tmp_path,
            name=f"s{seed}",
        )
    runs = grokscope.open_all(tmp_path)
    table = runs.table()
    assert table["seed"].to_list() == [0, 1]
    assert table["optimizer.kind"].to_list() == ["adamw", "sgd"]
    assert table["optimizer.momentum"].to_list() == [None, 0.0]
    assert table["model.init.scale"].to_list() == [1.0, 1.0]
    assert table["step"].to_list() == [5, 5]

    def paths(tree, prefix=""):
        for key, value in tree.items():
            if isinstance(value, dict):
                yield from paths(value, f"{prefix}{key}.")
            else:
                yield f"{prefix}{key}"

    for run in runs:
        assert set(paths(encode(run.config))) <= set(table.columns)
    frame = table.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert frame.groupby("optimizer.kind")["seed"].sum().to_dict() == {"adamw": 0, "sgd": 1}
    histories = runs.histories().to_pandas()
    assert sorted(set(histories["run"])) == ["s0", "s1"]
    assert isinstance(runs[0].history.to_pandas(), pandas.DataFrame)


def test_no_runs_make_an_empty_table(tmp_path):
    runs = grokscope.open_all(tmp_path)
    assert len(runs) == len(runs.table()) == len(runs.histories()) == 0


def test_a_csv_holds_the_history(run, tmp_path):
    path = tmp_path / "a.csv"
    run.export(path)
    assert pl.read_csv(path).equals(run.history)
    pandas.testing.assert_frame_equal(
        pandas.read_csv(path), run.history.to_pandas(), rtol=1e-15, atol=0
    )


def test_a_json_file_holds_history_and_summary(run, tmp_path):
    path = tmp_path / "a.json"
    run.export(path)
    content = json.loads(path.read_bytes())
    assert pl.DataFrame(content["history"]).equals(run.history)
    pandas.testing.assert_frame_equal(
        pandas.DataFrame(content["history"]), run.history.to_pandas(), check_exact=True
    )
    assert content["summary"] == run.summary()


def test_a_json_file_is_json_even_where_numbers_are_not_finite(run, tmp_path, monkeypatch):
    strange = run.history.with_columns(pl.lit(float("inf")).alias("test_loss"))
    monkeypatch.setattr(type(run), "history", property(lambda self: strange))
    run.export(tmp_path / "a.json")

    def refuse(word):
        pytest.fail(f"{word} is not JSON")

    json.loads((tmp_path / "a.json").read_bytes(), parse_constant=refuse)


def test_an_export_is_never_written_over_a_file(run, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"mine")
    with pytest.raises(ConfigError, match="exists already and is never overwritten"):
        run.export(path)
    assert path.read_bytes() == b"mine"
    with pytest.raises(ConfigError, match=r"expected a name that ends in \.csv or \.json"):
        run.export(tmp_path / "a.xlsx")


@pytest.fixture
def counting():
    """Register an analysis that counts its calls, for one test."""
    calls = []

    def counted(run, *, k=3):
        calls.append(k)
        return {"k": k, "none": None}, {"squares": np.arange(k) ** 2}

    results.analysis(label="Counted")(counted)
    yield calls
    del ANALYSES._parts["counted"]


def test_a_result_is_made_once_for_each_set_of_options(run, counting):
    first = run.analyze("counted", k=4)
    again = grokscope.open(run.path).analyze("counted", k=4)
    other = run.analyze("counted", k=5)
    assert counting == [4, 5]
    assert first.scalars == again.scalars == {"k": 4, "none": None}
    assert again.arrays["squares"].tolist() == [0, 1, 4, 9]
    assert first.provenance == again.provenance
    assert other.scalars["k"] == 5
    assert run.results()["counted"].scalars["k"] == 5


def test_a_result_is_made_again_when_the_run_went_on(run, counting):
    run.analyze("counted")
    longer = grokscope.resume(run, ["steps=+5"])
    longer.analyze("counted")
    assert counting == [3, 3]


def test_a_damaged_result_is_made_again_and_kept(run, counting):
    run.analyze("counted")
    (path,) = (run.path / "results" / "counted").iterdir()
    (path / "result.json").write_bytes(b"{}")
    assert "counted" not in run.results()
    assert run.analyze("counted").scalars["k"] == 3
    assert run.analyze("counted").scalars["k"] == 3
    assert counting == [3, 3]
    assert run.results()["counted"].scalars["k"] == 3


def test_arrays_are_stored_without_pickle(run, counting):
    run.analyze("counted")
    (path,) = (run.path / "results" / "counted").glob("*/arrays.npz")
    with np.load(path, allow_pickle=False) as arrays:
        assert arrays.files == ["squares"]
        assert arrays["squares"].tolist() == [0, 1, 4]


def test_an_array_of_objects_is_refused(tmp_path):
    strange = results.Result("a", {}, {"x": np.array([{}], dtype=object)})
    with pytest.raises(ValueError, match="allow_pickle"):
        results.write(tmp_path / "r", strange)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kk": 5}, "grokking_time.*kk.*k"),
        ({"k": "five"}, r"grokking_time.*\bk\b"),
        ({"k": 0}, r"\bk\b"),
    ],
)
def test_an_option_that_means_nothing_is_refused(run, options, words):
    with pytest.raises(ConfigError, match=words):
        run.analyze("grokking_time", **options)


def test_an_unknown_analysis_names_the_nearest(run):
    with pytest.raises(ConfigError, match="unknown analysis 'groking_time'; did you mean"):
        run.analyze("groking_time")
