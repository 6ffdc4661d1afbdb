import re

import pytest

from grokscope.analyses.hypotheses import Term, is_time, parse, resolve
from grokscope.errors import ConfigError


def test_a_hypothesis_is_read():
    found = parse("median(grokked_at | weight_decay=2, optimizer.lr=1e-3) < median(grokked_at|all)")
    assert found.signs == ("<",)
    left, right = found.sides
    assert (left.statistic, left.quantity) == ("median", "grokked_at")
    assert left.conditions == (("weight_decay", 2), ("optimizer.lr", 1e-3))
    assert (right.quantity, right.conditions) == ("grokked_at", ())


def test_sides_may_be_numbers_and_chains():
    found = parse("0.5 <= success(p=17) < success(p=113) < 1")
    assert found.signs == ("<=", "<", "<")
    assert found.sides[0] == 0.5
    assert found.sides[3] == 1.0
    assert found.sides[1] == Term("success(p=17)", "success", "grokked_at", (("p", 17),))


@pytest.mark.parametrize(
    ("text", "value"),
    [("a=true", True), ("a=null", None), ("a=1e-8", 1e-8), ("a=add", "add"), ("a=-2", -2)],
)
def test_values_are_those_of_yaml(text, value):
    (condition,) = parse(f"success({text}) > 0.5").sides[0].conditions
    assert condition == ("a", value)
    assert type(condition[1]) is type(value)


@pytest.mark.parametrize(
    ("text", "quantity"),
    [
        ("success(all) > 0.5", "grokked_at"),
        ("success(first_0.95) > 0.5", "first_0.95"),
        ("mean(weight_norm) > 0.5", "weight_norm"),
        ("mean(gate_values.0 | p=3) > 0.5", "gate_values.0"),
        ("rmst(memorized_at | all) > 5", "memorized_at"),
    ],
)
def test_the_quantity_may_be_left_out_or_stand_alone(text, quantity):
    assert parse(text).sides[0].quantity == quantity


def test_crossings_are_times_and_columns_are_not():
    times = ("grokked_at", "memorized_at", "first_0.9", "sustained_.95", "strict_1.0")
    assert all(map(is_time, times))
    assert not any(map(is_time, ("test_acc", "first_2", "weakly_0.9", "sustained_acc")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "column 1 (the end): expected a comparison"),
        ("success(all)", "column 13 (the end): expected a comparison"),
        ("success(all) <", "column 15 (the end): expected a number or a statistic"),
        ("sucess(all) < 1", "unknown statistic 'sucess'; did you mean 'success'?"),
        ("success(all < 1", "column 16 (the end): expected a comparison"),
        ("success < 1", "column 8 (< 1): expected success(...)"),
        ("median(grokked_at | a) < 1", "column 21 (a) < 1): expected path=value or all, got 'a'"),
        ("median(grokked_at | a=) < 1", "expected path=value or all, got 'a='"),
        ("median(a=1) < 1", "expected a quantity such as median(grokked_at | all), got ''"),
        ("success(test_acc | all) < 1", "success needs the time of an event"),
        ("last(grokked_at | all) < 1", "last needs a measured quantity"),
        ("1 < 2 < success(all)", "column 5 (2 < success(all)): two numbers"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line_with_its_place(text, message):
    with pytest.raises(ConfigError, match=re.escape(message)) as error:
        parse(text)
    assert len(str(error.value).splitlines()) == 1


def test_a_short_name_means_the_one_path_that_ends_so():
    known = ["task.p", "penalties.0.weight", "penalties.1.weight", "optimizer.lr", "lr"]
    assert resolve("p", known) == "task.p"
    assert resolve("lr", known) == "lr"
    assert resolve("weight", known, ["penalties.1.weight"]) == "penalties.1.weight"
    with pytest.raises(ConfigError, match=r"several fields: penalties\.0\.weight, pen"):
        resolve("weight", known)
    with pytest.raises(ConfigError, match="wieght: no run has such a field; did you mean 'weight'"):
        resolve("wieght", known)
