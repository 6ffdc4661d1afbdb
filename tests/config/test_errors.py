import pytest

from grokscope.config import decode, load
from grokscope.errors import ConfigError


def problems(source, *overrides, environment=None):
    with pytest.raises(ConfigError, match=r".") as error:
        load(source, overrides, environment=environment or {})
    lines = str(error.value).splitlines()
    assert all(line.strip() for line in lines)
    return lines


def test_an_unknown_key_at_the_top_names_line_and_nearest(document, small):
    path = document(small + "stepz: 3\n")
    (line,) = problems(path)
    assert line.startswith(f"{path}:4: stepz: unknown key; did you mean 'steps'? (known: name, ")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("p: 7", "pp: 7", ":1: task.pp: unknown key"),
        ("width: 8", "widht: 8", ":2: model.widht: unknown key; did you mean 'width'?"),
        (
            "width: 8",
            "width: 8, init: {sceme: he_normal}",
            ":2: model.init.sceme: unknown key; did you mean 'scheme'?",
        ),
        (
            "kind: adamw",
            "kind: adamw, weight_dekay: 1",
            ":3: optimizer.weight_dekay: unknown key; did you mean 'weight_decay'?",
        ),
    ],
)
def test_an_unknown_nested_key_names_line_and_nearest(document, small, old, new, expected):
    path = document(small.replace(old, new))
    (line,) = problems(path)
    assert line.startswith(f"{path}{expected}")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("kind: mlp", "kind: mpl", ":2: model.kind: unknown kind 'mpl'; did you mean 'mlp'?"),
        ("kind: modular", "kind: modulo", ":1: task.kind: unknown kind 'modulo'; did you mean"),
        ("kind: adamw", "kind: admw", ":3: optimizer.kind: unknown kind 'admw'; did you mean"),
        ("kind: adamw", "lr: 1", ":3: optimizer.kind: required, but missing (known: adam, "),
        ("kind: adamw", "kind: [adamw]", ":3: optimizer.kind: unknown kind"),
        ("kind: adamw", "kind: 3", ":3: optimizer.kind: unknown kind '3'"),
        ("p: 7", "p: 1", ":1: task.p: expected greater than or equal to 2, got 1"),
        ("p: 7", "p: 7.5", ":1: task.p: expected a valid integer, got 7.5"),
        ("p: 7", "p: seven", ':1: task.p: expected a valid integer, got "seven"'),
        ("p: 7", "p: null", ":1: task.p: expected a valid integer, got null"),
        ("p: 7", "p: [7]", ":1: task.p: expected a valid integer, got [7]"),
        ("p: 7", "p: {a: 7}", ":1: task.p: expected a valid integer, got a section"),
        ("p: 7", "p: 7, operation: ad", ":1: task.operation: expected 'add', "),
        ("kind: adamw", "kind: adamw, betas: [0.9, 1]", ":3: optimizer.betas.1: expected less"),
        (
            "kind: adamw",
            "kind: adamw, betas: [0.9]",
            ":3: optimizer.betas.1: required, but missing",
        ),
        ("kind: adamw", "kind: adamw, lr: 0", ":3: optimizer.lr: expected greater than 0, got 0"),
        (
            "{kind: mlp, width: 8}",
            "mlp",
            ":2: model: expected a section; did you mean model.kind=mlp?",
        ),
        ("{kind: mlp, width: 8}", "null", ":2: model: expected an object, got null"),
        (
            "{kind: mlp, width: 8}",
            "{kind: transformer, d_model: 10, num_heads: 4}",
            ":2: model.num_heads: 4 does not divide d_model 10",
        ),
        (
            "p: 7",
            "p: 6, operation: divide, divisors: nonzero",
            ":1: task.p: division by 2 does not exist modulo 6, 2 is not a unit",
        ),
        (
            "p: 7",
            "p: 7, operation: divide, pairs: unordered",
            ":1: task.pairs: unordered needs a commutative operation, not divide",
        ),
    ],
)
def test_a_bad_value_names_line_path_expected_and_given(document, small, old, new, expected):
    path = document(small.replace(old, new))
    (line,) = problems(path)
    assert line.startswith(f"{path}{expected}")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("data: {train_fraction: 0}", "data.train_fraction: expected greater than 0, got 0"),
        ("data: {train_fraction: 1.5}", "data.train_fraction: expected less than 1, got 1.5"),
        ("data: {train_fraction: 1}", "data.train_fraction: expected less than 1, got 1"),
        ("seed: -1", "seed: expected greater than or equal to 0, got -1"),
        ("seed: 9223372036854775808", "seed: expected less than 9223372036854775808"),
        ("steps: 0", "steps: expected greater than 0, got 0"),
        ("stop: groked", "stop: expected 'grokked' or 'never', got \"groked\"; did you mean"),
        ("tags: one", 'tags: expected a valid array, got "one"'),
        ("tags: [1]", "tags.0: expected a valid string, got 1"),
        ("checkpoint: {early: [1, x]}", "checkpoint.early.1: expected a valid integer"),
        ("penalties: [{kind: l3}]", "penalties.0.kind: unknown kind 'l3'"),
        ("penalties: {kind: l2}", "penalties: expected a valid array, got a section"),
        ("penalties: [3]", "penalties.0: expected an object, got 3"),
        ("schedule: {shape: cosine}", "schedule.cosine_steps: needed for shape: cosine"),
    ],
)
def test_a_bad_section_is_found_on_its_line(document, small, more, expected):
    path = document(f"{small}{more}\n")
    (line,) = problems(path)
    assert line.startswith(f"{path}:4: {expected}")


def test_a_missing_section_is_named(document):
    path = document("seed: 1\n")
    assert problems(path) == [
        f"{path}: {section}: required, but missing" for section in ("task", "model", "optimizer")
    ]


def test_every_problem_is_reported_at_once(document):
    path = document(
        "task: {kind: modular, p: 1}\n"
        "model: {kind: mlp, width: 0}\n"
        "optimizer:\n"
        "  kind: adamw\n"
        "  lr: -1\n"
        "  bets: [0.9, 0.98]\n"
        "stepz: 3\n"
    )
    lines = problems(path, "seed=-3")
    starts = [
        f"{path}:1: task.p: ",
        f"{path}:2: model.width: ",
        f"{path}:5: optimizer.lr: ",
        f"{path}:6: optimizer.bets: ",
        f"{path}:7: stepz: ",
        "command line: seed: ",
    ]
    assert len(lines) == len(starts)
    for start in starts:
        assert sum(line.startswith(start) for line in lines) == 1, start


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("steps", "'steps': expected path=value"),
        ("=3", "'=3': expected path=value"),
        ("steps=", "command line: steps: expected a valid integer, got null"),
        ("steps=abc", 'command line: steps: expected a valid integer, got "abc"'),
        ("stepz=3", "command line: stepz: unknown key; did you mean 'steps'?"),
        ("optimizer.lrr=3", "command line: optimizer.lrr: unknown key; did you mean 'lr'?"),
        ("optimizer.lr.x=3", "command line: optimizer.lr.x: optimizer.lr is not a section"),
        ("optimizer.lr=-1", "command line: optimizer.lr: expected greater than 0, got -1"),
        ("model.kind=mpl", "command line: model.kind: unknown kind 'mpl'; did you mean 'mlp'?"),
        ("optimizer.betas.2=0.5", "command line: optimizer.betas.2: '2' is not one of the 2 items"),
        ("optimizer.betas.-1=0.5", "command line: optimizer.betas.-1: '-1' is not one of the 2"),
        ("optimizer.betas.x=0.5", "command line: optimizer.betas.x: 'x' is not one of the 2"),
        ("optimizer.betas.²=0.5", "command line: optimizer.betas.²: '²' is not one of the 2"),
        ("optimizer.betas.1=x", "command line: optimizer.betas.1: expected a valid number"),
        ("optimizer..lr=3", "command line: optimizer."),
        ("steps={a: 1", "steps"),
        ("notes=a: b: c", "notes"),
    ],
)
def test_a_bad_override_says_that_it_came_from_the_command_line(document, override, expected):
    path = document(
        "task: {kind: modular, p: 7}\n"
        "model: {kind: mlp, width: 8}\n"
        "optimizer: {kind: adamw, lr: 1e-3, betas: [0.9, 0.98]}\n"
    )
    (line,) = problems(path, override)
    assert line.startswith(expected)


def test_an_override_may_set_an_item_of_a_list():
    config = load("quick", ["optimizer.betas.1=0.5"], environment={})
    assert config.optimizer.betas == (0.9, 0.5)


def test_an_override_may_not_break_keys_or_nest_forever(document, small):
    for text in ("tags=&x [*x]", "steps=? [1]\n: 2"):
        assert len(problems(document(small), text)) == 1


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("GROKSCOPE_STEPS", "x", 'GROKSCOPE_STEPS: steps: expected a valid integer, got "x"'),
        ("GROKSCOPE_STEPZ", "3", "GROKSCOPE_STEPZ: stepz: unknown key; did you mean 'steps'?"),
        (
            "GROKSCOPE_OPTIMIZER__WEIGHT_DEKAY",
            "1",
            "GROKSCOPE_OPTIMIZER__WEIGHT_DEKAY: optimizer.weight_dekay: unknown key; did you mean",
        ),
        ("GROKSCOPE_OPTIMISER__LR", "1", "GROKSCOPE_OPTIMISER__LR: optimiser: unknown key; did"),
        ("GROKSCOPE_SEED", "[1", "GROKSCOPE_SEED"),
    ],
)
def test_a_bad_environment_variable_is_named(document, small, variable, value, expected):
    (line,) = problems(document(small), environment={variable: value})
    assert line.startswith(expected)


def test_plain_data_is_checked_like_a_document():
    with pytest.raises(ConfigError, match=r"^task\.p: expected greater than or equal to 2, got 1$"):
        decode(
            {
                "task": {"kind": "modular", "p": 1},
                "model": {"kind": "mlp"},
                "optimizer": {"kind": "sgd"},
            }
        )


def test_a_side_of_the_split_that_would_be_empty_is_refused(tmp_path):
    import grokscope

    with pytest.raises(
        ConfigError, match=r"^data\.train_fraction: 0\.1 of 4 examples leaves 0 to train and 4"
    ):
        grokscope.train("quick", ["task.p=2", "data.train_fraction=0.1"], out=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_metric_names_its_place_and_the_nearest(tmp_path):
    import grokscope

    with pytest.raises(
        ConfigError, match=r"measure\.metrics.*'wieght_norm'; did you mean 'weight_norm'\?"
    ):
        grokscope.train("quick", ["measure.metrics=[wieght_norm]"], out=tmp_path)
    assert list(tmp_path.iterdir()) == []
