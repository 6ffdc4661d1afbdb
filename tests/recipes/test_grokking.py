"""The shipped recipes do what they say, from fresh seeds, in this very build."""

import pytest

import grokscope


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_quick_groks_for_every_seed(tmp_path, seed):
    run = grokscope.train("quick", [f"seed={seed}"], out=tmp_path)
    assert run.outcome == "grokked"
    assert run.status["memorized_at"] <= 50
    delay = run.status["grokked_at"] - run.status["memorized_at"]
    assert 400 <= delay <= 1000
    assert run.status["last"]["test_acc"] >= 0.99
    steps = run.history["step"].to_list()
    assert steps == sorted(set(steps))
    assert run.verify() == []


@pytest.mark.slow
def test_demo_memorizes_long_before_it_groks(tmp_path):
    run = grokscope.train("demo", ["threads=1"], out=tmp_path)
    assert run.outcome == "grokked"
    assert run.status["memorized_at"] <= 150
    assert run.status["grokked_at"] >= 10 * run.status["memorized_at"]
    assert run.analyze("grokking_time").scalars["sustained_0.99_step"] == run.status["grokked_at"]


@pytest.mark.slow
def test_going_on_after_grokking_equals_never_stopping(tmp_path):
    grokked = grokscope.train("quick", out=tmp_path, name="grokked")
    longer = grokscope.resume(grokked, ["steps=+110"])
    steps = longer.status["step"]
    whole = grokscope.train("quick", [f"steps={steps}", "stop=never"], out=tmp_path, name="whole")
    for file in ("history.parquet", f"checkpoints/step_{steps:09d}/model.safetensors"):
        assert (longer.path / file).read_bytes() == (whole.path / file).read_bytes(), file
