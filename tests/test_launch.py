"""From a configuration in any form to a stored run."""

import dataclasses

import pytest

import grokscope
from grokscope.config import encode, identity, load, to_yaml
from grokscope.engine import Finished, Measured, Saved
from grokscope.engine.member import Member
from grokscope.errors import ConfigError

SMALL = ["task.p=5", "model.width=6", "data.train_fraction=0.5", "steps=12", "stop=never"]


@pytest.fixture
def config():
    return load("quick", SMALL, environment={})


def columns(run):
    return run.history.drop("seconds").to_dict(as_series=False)


def test_a_configuration_may_come_in_any_form(tmp_path, config):
    path = tmp_path / "mine.yaml"
    path.write_text(to_yaml(config))
    forms = {
        "object": (config, []),
        "tree": (encode(config), []),
        "file": (path, []),
        "text": (str(path), []),
        "recipe": ("quick", SMALL),
        "changed": (dataclasses.replace(config, steps=99), ["steps=12"]),
    }
    runs = [
        grokscope.train(form, overrides, out=tmp_path / "runs", name=name)
        for name, (form, overrides) in forms.items()
    ]
    assert len({identity(run.config) for run in runs}) == 1
    assert all(columns(run) == columns(runs[0]) for run in runs)


def test_the_environment_changes_recipes_and_files_but_no_object(tmp_path, config, monkeypatch):
    monkeypatch.setenv("GROKSCOPE_SEED", "5")
    recipe = grokscope.train("quick", SMALL, out=tmp_path, name="recipe")
    given = grokscope.train(config, out=tmp_path, name="object")
    assert (recipe.config.seed, given.config.seed) == (5, 0)


def test_what_is_stored_is_what_ran(tmp_path, config):
    run = grokscope.train(config, out=tmp_path, name="mine")
    assert run.config == dataclasses.replace(config, name="mine")
    assert run.provenance["config_hash"] == identity(config)
    assert run.provenance["split_hash"] == Member(0, config).problem.split.hash
    assert run.status["state"] == "finished"
    assert run.status["step"] == 12
    assert run.status["last"]["test_acc"] == run.history["test_acc"][-1]
    assert run.status["seconds"] > 0


def test_an_observer_sees_every_record_after_it_is_stored(tmp_path, config):
    seen = []

    def observe(record):
        seen.append(record)
        run = grokscope.open(tmp_path / "run")
        if isinstance(record, Saved):
            assert run.steps[-1] == record.step
        if isinstance(record, Finished):
            assert run.status["state"] == "finished"

    run = grokscope.train(config, out=tmp_path, name="run", observer=observe)
    measured = [record.step for record in seen if isinstance(record, Measured)]
    assert measured == run.history["step"].to_list()
    assert [record.step for record in seen if isinstance(record, Saved)] == run.steps
    assert isinstance(seen[-1], Finished)


def test_a_run_goes_on_by_path_or_by_object(tmp_path, config):
    run = grokscope.train(config, out=tmp_path, name="run")
    assert grokscope.resume(run, ["steps=14"]).status["step"] == 14
    assert grokscope.resume(str(run.path), ["steps=+2"]).status["step"] == 16
    assert grokscope.resume(run.path).config.steps == 16


def test_a_run_that_grokked_goes_on_when_it_is_extended(tmp_path, config, monkeypatch):
    true = Member.measure

    def measure(self, given):
        values, missing = true(self, given)
        return values | {"test_acc": 1.0}, missing

    monkeypatch.setattr(Member, "measure", measure)
    eager = dataclasses.replace(config, stop="grokked", steps=60)
    run = grokscope.train(eager, out=tmp_path, name="run")
    assert (run.outcome, run.status["step"]) == ("grokked", 20)
    assert grokscope.resume(run).status["step"] == 20
    longer = grokscope.resume(run, ["steps=+9"])
    assert longer.status["step"] == 29
    assert longer.outcome == "grokked"
    assert longer.config.stop == "never"


def test_a_bad_override_is_refused_before_anything_is_written(tmp_path, config):
    with pytest.raises(ConfigError, match=r"^override: steps: expected a valid integer"):
        grokscope.train(config, ["steps=x"], out=tmp_path / "runs")
    assert list(tmp_path.iterdir()) == []


def test_the_first_steps_are_those_of_the_stated_example(tmp_path):
    run = grokscope.train("quick", ["steps=20"], out=tmp_path)
    assert run.history["step"].to_list() == [0, 10, 20]
