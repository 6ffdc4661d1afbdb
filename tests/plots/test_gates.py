import math

import polars as pl
import pytest

from grokscope.plots import PLOTS
from grokscope.plots.phase_diagram import phase_diagram
from grokscope.plots.style import SERIES


def later(run, column):
    return [v for v, step in zip(run.history[column], run.history["step"], strict=True) if step]


def test_the_gates_are_those_of_the_history(runs):
    (trace,) = PLOTS["gate_evolution"].function(runs["gated"]).data
    assert list(trace.y) == ["0", "1", "2", "3"]
    assert list(trace.x) == later(runs["gated"], "step")
    for layer, row in enumerate(trace.z):
        assert list(row) == later(runs["gated"], f"gate_values.{layer}")


def test_the_path_of_a_run_is_that_of_the_history(runs):
    (trace,) = PLOTS["depth_over_accuracy"].function(runs["gated"]).data
    assert list(trace.x) == later(runs["gated"], "test_acc")
    assert list(trace.y) == later(runs["gated"], "effective_depth")
    steps = later(runs["gated"], "step")
    assert list(trace.marker.color) == [math.log10(step) for step in steps]


def test_the_utilization_is_that_of_the_history(runs):
    (trace,) = PLOTS["head_utilization"].function(runs["routed"]).data
    assert list(trace.y) == [f"{layer}.{head}" for layer in range(2) for head in range(4)]
    for name, row in zip(trace.y, trace.z, strict=True):
        assert list(row) == later(runs["routed"], f"utilization.{name}")


def test_the_dominant_heads_are_those_of_the_stored_result(runs):
    run = runs["routed"]
    found = run.results()["routing_map"].arrays
    traces = PLOTS["dominant_heads"].function(run).data
    assert len(traces) == 2
    for layer, trace in enumerate(traces):
        for number, (a, b) in enumerate(found["operands"].tolist()):
            assert trace.z[a][b] == found["dominant"][layer][number]
        assert trace.colorscale[0] == (0.0, SERIES[0])
        assert trace.colorscale[-1] == (1.0, SERIES[3])


@pytest.fixture
def diagram():
    runs = pl.DataFrame(
        {
            "run": ["a", "b", "c", "d"],
            "weight": [0.0, 0.0, 0.1, 0.1],
            "test_acc": [1.0, 0.98, 0.99, 0.97],
            "effective_depth": [3.9, 3.8, 1.5, 1.7],
            "on_front": [True, False, True, False],
        }
    )
    columns = {"weight": [0.0, 0.1], "test_acc": [0.99, 0.98], "effective_depth": [3.85, 1.6]}
    for name in ("test_acc", "effective_depth"):
        columns[f"{name}_low"] = [value - 0.1 for value in columns[name]]
        columns[f"{name}_high"] = [value + 0.2 for value in columns[name]]
    return runs, pl.DataFrame(columns)


def test_a_phase_diagram_shows_runs_front_means_and_intervals(diagram):
    traces = {trace.name: trace for trace in phase_diagram(*diagram).data}
    assert list(traces["λ = 0"].x) == [3.9, 3.8]
    assert list(traces["λ = 0.1"].y) == [0.99, 0.97]
    assert list(traces["Pareto front"].x) == [1.5, 3.9]
    assert list(traces["depth"].x) == ["0", "0.1"]
    assert list(traces["depth"].error_y.array) == pytest.approx([0.2, 0.2])
    assert list(traces["accuracy"].error_y.arrayminus) == pytest.approx([0.1, 0.1])
