import os
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from grokscope.config import load
from grokscope.config.document import MAX_ALIASES, MAX_BYTES, MAX_DEPTH, MAX_VALUES
from grokscope.errors import ConfigError


def line_of(error):
    """Return the only line of an error; several or none are a failure."""
    lines = str(error.value).splitlines()
    assert len(lines) == 1, lines
    assert lines[0].strip()
    return lines[0]


def refused(path, *overrides):
    with pytest.raises(ConfigError, match=r".") as error:
        load(path, overrides, environment={})
    return line_of(error)


def test_the_small_document_is_valid(document, small):
    config = load(document(small), environment={})
    assert config.task.p == 7
    assert config.name == "x"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "is empty, expected a mapping"),
        ("# only a remark\n", "is empty, expected a mapping"),
        ("- a\n- b\n", "expected a mapping at the top, got a list"),
        ("hello", "expected a mapping at the top, got a str"),
        ("12", "expected a mapping at the top, got a int"),
        (bytes(range(256)), "not UTF-8 text, expected a YAML file"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not UTF-8 text"),
        ("a: \0", "not YAML"),
        ("a: [1", r":1: expected ',' or '\]'"),
        ("a:\n\t- b", ":2: found character"),
        ("a: *nobody", ":1: found undefined alias 'nobody'"),
        ("!!python/object/apply:os.system ['true']", ":1: could not determine a constructor"),
        ("a: 1\n---\nb: 2\n", ":2: but found another document"),
    ],
)
def test_what_is_no_configuration_is_refused_in_one_line(document, content, expected):
    path = document(content)
    line = refused(path)
    assert line.startswith(str(path))
    assert re.search(expected, line)


def test_a_missing_file_is_named(tmp_path):
    assert refused(tmp_path / "no.yaml") == f"{tmp_path / 'no.yaml'}: no such file or directory"


def test_a_directory_is_named(tmp_path):
    assert refused(tmp_path) == f"{tmp_path}: is a directory, expected a YAML file"


def test_a_path_with_a_null_character_is_no_file_name():
    assert "not a file name" in refused("runs/a\0b.yaml")


def test_a_path_longer_than_the_system_allows_is_refused():
    assert "file name too long" in refused(f"./{'x' * 5000}.yaml")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_not_a_regular_file_is_refused_unread(tmp_path, monkeypatch):
    # Reading a pipe or an endless device such as /dev/zero would never return.
    path = tmp_path / "pipe.yaml"
    os.mkfifo(path)
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail(f"{self} was read"))
    assert refused(path).startswith(f"{path}: ")


def test_an_unknown_recipe_names_the_nearest_one():
    assert "no recipe and no file 'quik'; did you mean 'quick'?" in refused("quik")


def test_more_bytes_than_a_configuration_has_are_refused_unread(document):
    path = document("notes: " + "x" * MAX_BYTES + "\n")
    assert refused(path) == f"{path}: larger than {MAX_BYTES:,} bytes, not a configuration"


def test_an_alias_bomb_is_refused(document):
    bomb = "a0: &a0 [x, x]\n"
    bomb += "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60))
    assert f"more than {MAX_ALIASES} aliases" in refused(document(bomb))


def test_the_allowed_aliases_may_be_used(document, small):
    numbers = ", ".join(["*n"] * (MAX_ALIASES - 1))
    text = small + f"seed: &n 3\ncheckpoint: {{early: [{numbers}]}}\n"
    assert load(document(text), environment={}).checkpoint.early == (3,) * (MAX_ALIASES - 1)


@pytest.mark.parametrize("text", ["[" * 40 + "]" * 40, "{a: " * 40 + "1" + "}" * 40])
def test_deep_nesting_is_refused(document, text):
    assert f"more than {MAX_DEPTH} levels" in refused(document(f"notes: {text}\n"))


def test_more_values_than_a_configuration_has_are_refused(document, small):
    values = len(re.findall(r"\w+", small)) + 1  # keys are values too
    most = small + "tags: [" + "a, " * (MAX_VALUES - values) + "]\n"
    assert len(load(document(most), environment={}).tags) == MAX_VALUES - values
    assert f"more than {MAX_VALUES:,} values" in refused(document(most + "seed: 1\n"))


@pytest.mark.parametrize("opener", ["[", "{", "[\n", "[ {"])
def test_ten_thousand_levels_are_refused_unparsed(document, monkeypatch, opener):
    monkeypatch.setattr(YAML, "parse", lambda self, text: pytest.fail("parsed"))
    assert f"more than {MAX_DEPTH} levels" in refused(document("notes: " + opener * 10_000))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("!!int ''", "''"),
        ("!!bool maybe", "'maybe'"),
        ("9" * 5000, "'" + "9" * 57 + "...'"),
        ("!!float 1:x", "'1:x'"),
    ],
)
def test_a_value_that_its_tag_or_form_does_not_fit_is_named_with_its_line(
    document, small, value, shown
):
    path = document(small + f"steps: {value}\n")
    assert refused(path) == f"{path}:4: {shown} is not what its tag or form says"


@pytest.mark.parametrize("start", ["%YAML 1.99999999999999999999\n---\n", '"\\U00110000": 1\n'])
def test_what_the_reader_itself_breaks_at_is_refused(document, small, start):
    assert "not YAML: a value cannot be read" in refused(document(start + small))


def test_another_version_of_yaml_is_refused(document, small):
    # In YAML 1.1 `no` is a truth value and 010 is eight.
    path = document("%YAML 1.1\n---\n" + small)
    assert refused(path) == f"{path}: %YAML: expected 1.2, the version that is read"
    assert load(document("%YAML 1.2\n---\n" + small), environment={}).steps


def test_an_anchor_may_be_used_again_without_a_warning(document, small):
    text = small + "notes: &x a\ntags: [&x b, *x]\n"
    assert load(document(text), environment={}).tags == ("b", "b")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("? [1, 2]\n: 3\n", "expected words for keys, got (1, 2)"),
        ("data: {? [1]: 3}\n", "data: expected words for keys, got (1,)"),
        ("!!binary aGk=: 3\n", "expected words for keys, got b'hi'"),
        ('notes: "\\ud800"\n', 'notes: "\\ud800" holds half a character'),
        ("tags: &x [*x]\n", "tags: contains itself"),
    ],
)
def test_what_cannot_be_plain_data_is_named_with_its_place(document, small, line, words):
    path = document(small + line)
    assert refused(path) == f"{path}: {words}"


def test_many_problems_are_told_in_few_lines(document, small):
    path = document(small + "".join(f"k{number}: 1\n" for number in range(200)))
    with pytest.raises(ConfigError, match=r"more problems$") as error:
        load(path, environment={})
    lines = str(error.value).splitlines()
    assert len(lines) == 21
    assert lines[0].startswith(f"{path}:4: k0: unknown key")
    assert lines[-1] == f"{path}: and 180 more problems"


def test_a_document_that_contains_itself_is_refused(document, small):
    refused(document(small + "tags: &x [*x]\n"))
    refused(document("&x\na: *x\n"))


@pytest.mark.parametrize("key", ["? [1, 2]\n: 3\n", "2020-01-01: 3\n", "? {a: 1}\n: 3\n"])
def test_keys_that_are_not_words_are_refused(document, small, key):
    refused(document(small + key))


@pytest.mark.parametrize("key", ['"a\\nb": 1\n', '"\\n": 1\n', '"a\\u2028b": 1\n'])
def test_a_key_with_a_line_break_still_makes_one_line(document, small, key):
    assert "unknown key" in refused(document(small + key))


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("seed: 1\nsteps: 2\nseed: 3\n", 6, "seed"),
        ("measure:\n  every: 1\n  dense_every: 2\n  every: 3\n", 7, "every"),
        ("batch: {size: 1, size: 2}\n", 4, "size"),
    ],
)
def test_a_duplicate_key_is_named_with_its_line(document, small, text, line, key):
    path = document(small + text)
    assert refused(path) == f"{path}:{line}: duplicate key {key!r}"


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("optimizer.lr=1e-8", "lr", 1e-8),
        ("optimizer.lr=1e-3", "lr", 1e-3),
        ("optimizer.lr=1E-3", "lr", 1e-3),
        ("optimizer.lr=.5", "lr", 0.5),
        ("optimizer.lr=1", "lr", 1.0),
    ],
)
def test_scientific_notation_is_a_number(document, small, text, path, value):
    loaded = getattr(load(document(small), [text], environment={}).optimizer, path)
    assert loaded == value
    assert type(loaded) is float


def test_a_leading_zero_is_not_octal(document, small):
    assert load(document(small + "seed: 010\n"), environment={}).seed == 10
    assert load(document(small + "seed: 0o10\n"), environment={}).seed == 8


@pytest.mark.parametrize("text", ["1:30", "1_000 steps", "ten", '"10"', "10.0", "true", "1e1"])
def test_what_only_looks_like_a_number_of_steps_is_refused(document, small, text):
    path = document(f"{small}steps: {text}\n")
    line = refused(path)
    assert line.startswith(f"{path}:4: steps: expected a valid integer, got ")


@pytest.mark.parametrize("word", ["no", "off", "yes", "n", "0", "''"])
def test_only_true_and_false_are_booleans(document, small, word):
    path = document(small.replace("width: 8", f"width: 8, biases: {word}"))
    assert refused(path).startswith(f"{path}:2: model.biases: expected a valid boolean, got ")


def test_the_word_no_stays_a_word(document, small):
    assert load(document(small + "notes: no\n"), environment={}).notes == "no"


@pytest.mark.parametrize("number", [".nan", ".inf", "-.inf", "1e400", ".NaN", ".Inf"])
@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("kind: adamw", "kind: adamw, lr: {}", "optimizer.lr"),
        ("kind: adamw", "kind: adamw, weight_decay: {}", "optimizer.weight_decay"),
        ("width: 8", "width: 8, output_multiplier: {}", "model.output_multiplier"),
        ("width: 8", "width: 8, init: {{scale: {}}}", "model.init.scale"),
        ("width: 8}", "width: 8}}\npenalties: [{{kind: l2, weight: {}}}]", "penalties.0.weight"),
        ("width: 8}", "width: 8}}\ndata: {{train_fraction: {}}}", "data.train_fraction"),
    ],
)
def test_numbers_that_are_not_finite_are_refused(document, small, number, old, new, path):
    line = refused(document(small.replace(old, new.format(number))))
    assert f" {path}: expected " in line
