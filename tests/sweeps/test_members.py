import itertools

import pytest

from grokscope.analyses.hypotheses import parse, resolve
from grokscope.config import load
from grokscope.errors import ConfigError
from grokscope.sweeps import load_sweep, members, sweep_recipes
from grokscope.sweeps.file import Draw, Random, Sweep
from grokscope.sweeps.members import rows


def sweep(**fields):
    return Sweep(**{"name": "test", "recipe": "quick"} | fields)


def test_a_grid_is_every_combination_in_the_order_of_the_file():
    found = members(
        sweep(grid={"task.p": (17, 23), "optimizer.lr": (1e-3,), "optimizer.weight_decay": (1, 2)})
    )
    assert list(found) == [
        "p17_lr1e-3_wd1.0",
        "p17_lr1e-3_wd2.0",
        "p23_lr1e-3_wd1.0",
        "p23_lr1e-3_wd2.0",
    ]
    config = found["p23_lr1e-3_wd2.0"]
    assert config.task.p == 23
    assert config.optimizer.weight_decay == 2.0
    assert config.name == "p23_lr1e-3_wd2.0"
    assert config.model == load("quick").model


def test_zip_goes_side_by_side_and_multiplies_with_the_grid():
    zipped = {"task.p": (17, 23), "data.train_fraction": (0.8, 0.6)}
    found = members(sweep(zip=zipped, grid={"seed": (0, 1)}))
    pairs = [(c.task.p, c.data.train_fraction, c.seed) for c in found.values()]
    assert sorted(pairs) == [(17, 0.8, 0), (17, 0.8, 1), (23, 0.6, 0), (23, 0.6, 1)]


def test_a_list_names_members_one_by_one():
    found = members(sweep(list=({"task.p": 17}, {"task.p": 23, "model.width": 64})))
    assert list(found) == ["p17", "p23_width64"]
    assert found["p17"].model.width == load("quick").model.width


def test_random_members_are_the_same_each_time_and_within_bounds():
    draw = {
        "optimizer.lr": Draw(log_uniform=(1e-4, 1e-2)),
        "optimizer.weight_decay": Draw(uniform=(0.5, 2.0)),
        "model.width": Draw(choice=(32, 64)),
    }
    drawn = sweep(random=Random(count=200, seed=3, draw=draw))
    first, again = members(drawn), members(drawn)
    assert first == again
    assert len(first) == 200
    rates = [config.optimizer.lr for config in first.values()]
    assert 1e-4 <= min(rates) < 2e-4
    assert 5e-3 < max(rates) <= 1e-2
    assert 60 < sum(rate < 1e-3 for rate in rates) < 140  # the middle of the logarithm
    assert {config.model.width for config in first.values()} == {32, 64}
    assert all(0.5 <= config.optimizer.weight_decay <= 2 for config in first.values())
    other = members(sweep(random=Random(count=200, seed=4, draw=draw)))
    assert set(first).isdisjoint(other)


def test_what_every_member_has_is_set_beneath_what_varies():
    found = members(sweep(set={"steps": 50, "seed": 9}, grid={"seed": (1, 2)}))
    assert [(config.steps, config.seed) for config in found.values()] == [(50, 1), (50, 2)]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"grid": {"optimizer.lrr": (1,)}},
            r"test: optimizer\.lrr: unknown key; did you mean 'lr'",
        ),
        ({"grid": {"task.p": ("x",)}}, r"test: task\.p: .*got \"x\""),
        ({"grid": {"seed": (1, 1)}}, r"test: s1 and s1 are the same run"),
        ({"grid": {"optimizer.weight_decay": (1, 1.0)}}, r"are the same run"),
        ({"grid": {"seed": (1,)}, "zip": {"seed": (2,)}}, r"test: seed: varies in two places"),
        ({"grid": {"seed": tuple(range(10_001))}}, r"10,001 members, expected at most 10,000"),
        ({"set": {"nothing.here": 1}, "grid": {"seed": (1,)}}, r"test: set: nothing: unknown key"),
    ],
)
def test_a_wrong_member_is_told_before_anything_is_trained(fields, message):
    with pytest.raises(ConfigError, match=message):
        members(sweep(**fields))


def test_a_name_tells_two_fields_of_one_word_apart():
    found = members(sweep(grid={"model.init.scale": (0.5, 1.0), "model.output_multiplier": (2.0,)}))
    assert next(iter(found)) == "scale0.5_output-multiplier2.0"


@pytest.mark.parametrize("name", sweep_recipes())
def test_every_member_of_every_sweep_that_ships_can_be_trained(name):
    shipped = load_sweep(name)
    found = members(shipped)
    assert len(found) == len(list(rows(shipped))) > 1
    assert shipped.notes
    varying = sorted({path for row in rows(shipped) for path in row})
    for text in shipped.hypotheses:
        for term in parse(text).sides:
            for path, value in [] if isinstance(term, float) else term.conditions:
                assert any(row.get(resolve(path, varying)) == value for row in rows(shipped)), text
    for one, other in itertools.combinations(list(found.values())[:3], 2):
        assert one != other
