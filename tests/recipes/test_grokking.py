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


@pytest.mark.slow
def test_demo_memorizes_long_before_it_groks(tmp_path):
    run = grokscope.train("demo", ["threads=1"], out=tmp_path)
    assert run.outcome == "grokked"
    assert run.status["memorized_at"] <= 150
    assert run.status["grokked_at"] >= 10 * run.status["memorized_at"]
    assert run.analyze("grokking_time").scalars["sustained_0.99_step"] == run.status["grokked_at"]
