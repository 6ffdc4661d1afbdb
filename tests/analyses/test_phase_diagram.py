import dataclasses

import pytest
from scipy import stats

from grokscope.analyses.phase_diagram import by_weight, phase_diagram
from grokscope.config import load
from grokscope.errors import ScienceError
from grokscope.objectives.gate_cost import GateCost
from grokscope.store import create, open_all

# λ, seed, accuracy, depth, grokking step
RUNS = [
    (0.1, 1, 0.99, 1.0, 300),
    (0.1, 0, 0.97, 1.5, None),
    (0.0, 0, 1.00, 4.0, 100),
    (0.0, 1, 0.99, 3.0, 200),
    (0.0, 2, 1.00, 3.5, 400),
]


@pytest.fixture
def runs(tmp_path):
    base = load("quick", ["model.kind=gated", "model.width=6"], environment={})
    for weight, seed, accuracy, depth, grokked_at in RUNS:
        penalties = (GateCost(weight=weight),) if weight else ()
        config = dataclasses.replace(base, seed=seed, penalties=penalties)
        with create(tmp_path / f"{weight}-{seed}", config, {}) as writer:
            writer.measured(0, {"test_acc": 0.1, "effective_depth": 3.96}, 0.0)
            writer.measured(10, {"test_acc": accuracy, "effective_depth": depth}, 1.0)
            writer.finish(compact=True, state="finished", grokked_at=grokked_at, step=10)
    return open_all(tmp_path)


def test_a_diagram_has_one_row_a_run_and_marks_the_front(runs):
    found = phase_diagram(runs)
    columns = ("weight", "seed", "test_acc", "effective_depth", "grokked_at")
    assert found.select(columns).rows() == sorted(RUNS)
    # (1, 3.5) beats (1, 4); (.99, 1) beats (.99, 3) and (.97, 1.5).
    assert found["on_front"].to_list() == [False, False, True, False, True]


def test_weights_are_summarized_by_means_intervals_and_the_median(runs):
    found = by_weight(phase_diagram(runs))
    assert found["weight"].to_list() == [0.0, 0.1]
    assert found["runs"].to_list() == [3, 2]
    assert found["grokked"].to_list() == [3, 1]
    assert found["grokked_at"].to_list() == [200.0, None]
    assert found["worst_test_acc"].to_list() == [0.99, 0.97]
    depths = [4.0, 3.0, 3.5]
    low, high = stats.t.interval(0.95, 2, loc=3.5, scale=stats.sem(depths))
    ends = found.select("effective_depth", "effective_depth_low", "effective_depth_high").row(0)
    assert ends == pytest.approx((3.5, low, high), rel=1e-6)


def test_another_path_may_be_the_pressure(runs):
    found = phase_diagram(runs, weight="optimizer.weight_decay")
    assert set(found["weight"]) == {1.0}


def test_runs_that_did_not_measure_depth_are_refused(tmp_path):
    with create(tmp_path / "plain", load("quick", environment={}), {}) as writer:
        writer.measured(0, {"test_acc": 0.1}, 0.0)
    with pytest.raises(ScienceError, match=r"needs effective_depth among measure\.metrics"):
        phase_diagram(open_all(tmp_path))
