import itertools

import pytest
import torch

import grokscope
from grokscope.config import load
from grokscope.engine import Machine
from grokscope.engine.planner import Job, Plan
from grokscope.errors import ConfigError

SMALL = ["task.p=5", "model.width=6", "data.train_fraction=0.5", "steps=30", "stop=never"]


def configs(count, *overrides):
    return [load("quick", [*SMALL, *overrides, f"seed={seed}"]) for seed in range(count)]


def same(one, other):
    first, second = one.snapshot(), other.snapshot()
    return torch.equal(first.params, second.params) and one.history.drop("seconds").equals(
        other.history.drop("seconds")
    )


def test_runs_side_by_side_are_the_runs_alone(tmp_path):
    planned = grokscope.plan(configs(3), Machine(cores=2, memory=8 << 30))
    assert planned.workers == 2
    told = []
    runs = grokscope.train_all(
        configs(3),
        out=tmp_path / "all",
        planned=planned,
        told=told.append,
    )
    assert [run.name for run in runs] == ["quick", "quick-2", "quick-3"]
    ends = sorted((news.name, news.state, news.reason) for news in told if news.ended)
    assert ends == [(name, "finished", "") for name in ("quick", "quick-2", "quick-3")]
    for config, run in zip(configs(3), runs, strict=True):
        assert run.verify() == []
        assert same(run, grokscope.train(config, out=tmp_path / "alone"))


def test_a_batch_is_stored_as_if_its_runs_had_been_alone(tmp_path):
    double = ["precision.parameters=float64"]
    planned = Plan((Job((0, 1), 1, 0),), 1, "batch")
    runs = grokscope.train_all(configs(2, *double), out=tmp_path / "all", planned=planned)
    for config, run in zip(configs(2, *double), runs, strict=True):
        alone = grokscope.train(config, out=tmp_path / "alone")
        assert run.verify() == []
        assert run.status["state"] == "finished"
        assert run.status["outcome"] == alone.status["outcome"]
        torch.testing.assert_close(run.snapshot().params, alone.snapshot().params)
        assert run.history["step"].to_list() == alone.history["step"].to_list()


@pytest.mark.parametrize("device", ["cpu", "batch"])
def test_a_run_that_fails_leaves_the_others_alone(tmp_path, device):
    members = configs(2)
    bad = load("quick", [*SMALL, "seed=1", "optimizer.lr=1e30"])
    members[1] = bad
    jobs = (Job((0, 1), 1, 0),) if device == "batch" else (Job((0,), 1, 0), Job((1,), 1, 0))
    told = {}
    runs = grokscope.train_all(
        members,
        out=tmp_path / "all",
        planned=Plan(jobs, 1, device),
        told=lambda news: told.update({news.name: news}) if news.ended else None,
    )
    assert (told["quick"].state, told["quick"].reason) == ("finished", "")
    assert told["quick-2"].state == "diverged"
    assert "objective is" in told["quick-2"].reason
    assert [run.outcome for run in runs][1] == "diverged"
    if device == "cpu":
        assert same(runs[0], grokscope.train(members[0], out=tmp_path / "alone"))


def test_a_name_of_another_run_is_refused_before_anything_is_trained(tmp_path):
    one, other = configs(2, "steps=2")
    run = grokscope.train(one, out=tmp_path, name="kept")
    before = (run.path / "status.json").read_bytes()
    with pytest.raises(ConfigError, match="kept: holds a run of another configuration"):
        grokscope.train_all([other, other], out=tmp_path, names=["new", "kept"])
    assert (run.path / "status.json").read_bytes() == before
    assert not (tmp_path / "new").exists()


def test_asked_to_stop_runs_end_with_a_checkpoint_and_others_do_not_begin(tmp_path):
    endless = configs(3, "steps=10000000")
    planned = Plan(tuple(Job((i,), 1, 0) for i in range(3)), 1, "cpu")
    asked = itertools.count()
    runs = grokscope.train_all(
        endless,
        out=tmp_path,
        planned=planned,
        stop_requested=lambda: (tmp_path / "quick" / "checkpoints").exists() and next(asked) > 2,
    )
    assert [run.name for run in runs] == ["quick"]
    assert runs[0].status["state"] == "interrupted"
    assert runs[0].steps[-1] == runs[0].status["step"] > 0
