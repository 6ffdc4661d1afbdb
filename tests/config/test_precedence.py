import pytest

from grokscope.config import load
from grokscope.config.decode import merge

LR = "GROKSCOPE_OPTIMIZER__LR"


@pytest.mark.parametrize(
    ("environment", "overrides", "expected"),
    [
        ({}, [], 0.25),
        ({LR: "0.5"}, [], 0.5),
        ({}, ["optimizer.lr=0.75"], 0.75),
        ({LR: "0.5"}, ["optimizer.lr=0.75"], 0.75),
        ({LR: "0.5"}, ["optimizer.lr=0.75", "optimizer.lr=1"], 1.0),
    ],
)
def test_file_gives_way_to_environment_and_that_to_command_line(
    document, small, environment, overrides, expected
):
    path = document(small.replace("adamw", "adamw, lr: 0.25"))
    assert load(path, overrides, environment=environment).optimizer.lr == expected


def test_the_process_environment_is_read_by_default(document, small, monkeypatch):
    monkeypatch.setenv("GROKSCOPE_SEED", "41")
    monkeypatch.setenv("GROKSKOPE_SEED", "42")
    assert load(document(small)).seed == 41


def test_a_double_underscore_is_a_dot_and_a_single_one_part_of_a_name(document, small):
    names = {"GROKSCOPE_DATA__TRAIN_FRACTION": "0.5", "GROKSCOPE_MODEL__INIT__SCALE": "2"}
    config = load(document(small), environment=names)
    assert config.data.train_fraction == 0.5
    assert config.model.init.scale == 2.0


@pytest.mark.parametrize("first", [0, 1])
def test_another_kind_starts_its_section_afresh(document, small, first):
    path = document(small.replace("adamw", "adamw, eps: 1e-6, lr: 0.25"))
    overrides = ["optimizer.kind=sgd", "optimizer.momentum=0.5"]
    config = load(path, overrides[first:] + overrides[:first], environment={})
    assert config.optimizer.kind == "sgd"
    assert config.optimizer.momentum == 0.5
    assert config.optimizer.lr == type(config.optimizer)().lr


def test_the_same_kind_keeps_its_section(document, small):
    path = document(small.replace("adamw", "adamw, lr: 0.25"))
    assert load(path, ["optimizer.kind=adamw"], environment={}).optimizer.lr == 0.25


def test_merging_leaves_the_given_tree_alone():
    tree = {"a": {"b": [1, 2]}}
    assert merge(tree, {"a.b.0": (9, "here")}) == {"a": {"b": [9, 2]}}
    assert tree == {"a": {"b": [1, 2]}}


def test_a_value_is_yaml(document, small):
    config = load(document(small), ["tags=[a, 'b c']", "batch={size: 4}"], environment={})
    assert config.tags == ("a", "b c")
    assert config.batch.size == 4


def test_a_file_without_a_name_lends_its_own(document, small):
    assert load(document(small, "p17.yaml"), environment={}).name == "p17"
    assert load(document("name: mine\n" + small), environment={}).name == "mine"
    assert load("quick", environment={}).name == "quick"


def test_notes_of_a_recipe_stay_only_while_they_are_true():
    own = load("quick", environment={}).notes
    assert load("quick", ["seed=3", "threads=2"], environment={}).notes == own
    changed = load("quick", ["optimizer.weight_decay=0"], environment={}).notes
    assert changed == "quick with optimizer.weight_decay=0."
