import dataclasses
import shutil

import pytest
import torch

import grokscope
from grokscope.errors import ConfigError
from grokscope.sweeps import Sweep, load_sweep, members, run_sweep, standing
from grokscope.sweeps.execute import choose, quick

SMALL = Sweep(
    name="small",
    recipe="quick",
    set={"task.p": 5, "model.width": 6, "steps": 30, "stop": "never"},
    grid={"seed": (0, 1), "optimizer.weight_decay": (0.5, 1.0)},
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return the folder of the trained sweep; nobody may change it."""
    out = tmp_path_factory.mktemp("trained")
    run_sweep(SMALL, out=out, workers=1)
    return out / "small"


@pytest.fixture
def folder(trained, tmp_path):
    """Return the folder of the trained sweep that a test may change."""
    shutil.copytree(trained, tmp_path / "small")
    return tmp_path / "small"


def weights(folder):
    return {run.name: run.snapshot().params for run in grokscope.open_all(folder)}


def test_a_sweep_trains_what_is_missing_and_nothing_twice(tmp_path):
    heard = []
    first = run_sweep(SMALL, out=tmp_path, only=["s0_wd0.5"], told=heard.append, workers=1)
    assert [run.name for run in first] == ["s0_wd0.5"]
    written = (tmp_path / "small/s0_wd0.5/status.json").stat().st_mtime_ns
    runs = run_sweep(SMALL, out=tmp_path, told=heard.append)
    assert sorted(run.name for run in runs) == sorted(members(SMALL))
    assert (tmp_path / "small/s0_wd0.5/status.json").stat().st_mtime_ns == written
    ends = [news.name for news in heard if news.ended]
    assert sorted(ends) == sorted(members(SMALL))
    for name, config in members(SMALL).items():
        alone = grokscope.train(config, out=tmp_path / "alone")
        assert torch.equal(runs[name].snapshot().params, alone.snapshot().params)


def test_more_steps_make_finished_members_longer(folder, tmp_path):
    longer = dataclasses.replace(SMALL, set={**SMALL.set, "steps": 40})
    assert len(standing(members(longer), folder).begun) == 4
    runs = run_sweep(longer, out=tmp_path, workers=1)
    assert {run.status["step"] for run in runs} == {40}
    for name, config in members(longer).items():
        straight = grokscope.train(config, out=tmp_path / "straight", name=name)
        assert torch.equal(runs[name].snapshot().params, straight.snapshot().params)
    earlier = sorted(path.name for path in folder.glob("*earlier*"))
    assert len(earlier) == 1  # the file as it was


def test_a_changed_file_says_what_is_new_gone_and_kept(folder):
    changed = dataclasses.replace(
        SMALL, grid={"seed": (1, 2), "optimizer.weight_decay": (0.5, 1.0)}
    )
    stands = standing(members(changed), folder)
    assert stands.new == ("s2_wd0.5", "s2_wd1.0")
    assert stands.done == ("s1_wd0.5", "s1_wd1.0")
    assert stands.gone == ("s0_wd0.5", "s0_wd1.0")
    assert stands.missing == stands.new
    assert not stands.blocked
    some = {"s1_wd0.5": members(SMALL)["s1_wd0.5"]}
    assert standing(some, folder, among=members(SMALL)).gone == ()


def test_a_member_whose_place_is_taken_is_told_and_the_others_are_trained(folder, tmp_path):
    before = weights(folder)
    for name in ("s0_wd1.0", "s1_wd0.5", "s1_wd1.0"):
        shutil.rmtree(folder / name)
    other = dataclasses.replace(SMALL, set={**SMALL.set, "model.width": 7})
    heard = []
    runs = run_sweep(other, out=tmp_path, told=heard.append, workers=1)
    failed = [news for news in heard if news.state == "failed"]
    assert [news.name for news in failed] == ["s0_wd0.5"]
    assert "a run with model.width=6 is there, the member has 7" in failed[0].reason
    assert len(runs) == 4
    assert torch.equal(weights(folder)["s0_wd0.5"], before["s0_wd0.5"])


def test_a_diverging_member_leaves_the_others_alone(tmp_path):
    wild = dataclasses.replace(SMALL, grid={"optimizer.lr": (1e-3, 1e30)})
    heard = []
    runs = run_sweep(wild, out=tmp_path, told=heard.append, workers=1)
    assert {news.name: news.state for news in heard if news.ended} == {
        "lr1e-3": "finished",
        "lr1e30": "diverged",
    }
    assert runs["lr1e30"].outcome == "diverged"
    again = []
    run_sweep(wild, out=tmp_path, told=again.append)
    assert again == []  # its outcome is known


def test_members_are_chosen_by_name_and_from_one_on():
    configs = members(SMALL)
    assert list(choose(configs, only=["s1_wd0.5"])) == ["s1_wd0.5"]
    assert list(choose(configs, start_from="s1_wd0.5")) == ["s1_wd0.5", "s1_wd1.0"]
    assert list(choose(configs, start_from="2")) == ["s0_wd1.0", "s1_wd0.5", "s1_wd1.0"]
    with pytest.raises(ConfigError, match=r"no member 's1_wd0\.6'; did you mean 's1_wd0\.5'"):
        choose(configs, only=["s1_wd0.6"])
    with pytest.raises(ConfigError, match="no member '5'"):
        choose(configs, start_from="5")


def test_a_quick_sweep_is_short_and_has_a_folder_of_its_own():
    shortened = quick(load_sweep("weight-decay-seeds"))
    assert shortened.name == "weight-decay-seeds-quick"
    assert {config.steps for config in members(shortened).values()} == {200}


def test_the_folder_alone_is_enough_to_go_on(tmp_path):
    (tmp_path / "mine.yaml").write_bytes((grokscope.config.recipes()["quick"]).read_bytes())
    own = dataclasses.replace(SMALL, recipe=str(tmp_path / "mine.yaml"))
    run_sweep(own, out=tmp_path / "out", only=["s0_wd0.5"], workers=1)
    (tmp_path / "mine.yaml").unlink()
    found = load_sweep(tmp_path / "out/small")
    assert members(found).keys() == members(SMALL).keys()
    stands = standing(members(found), tmp_path / "out/small")
    assert stands.done == ("s0_wd0.5",)
    assert not stands.blocked
