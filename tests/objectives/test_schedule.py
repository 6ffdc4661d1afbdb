"""The weight of a penalty over the steps."""

import dataclasses

import pytest
import torch

from grokscope.config import decode
from grokscope.config.build import problem_of
from grokscope.engine import train
from grokscope.objectives import Objective
from grokscope.objectives.cross_entropy import CrossEntropy
from grokscope.objectives.l2 import L2
from grokscope.snapshot import Snapshot


def config_of(**fields):
    return decode(
        {
            "steps": 12,
            "stop": "never",
            "task": {"kind": "modular", "p": 5},
            "data": {"train_fraction": 0.5},
            "model": {"kind": "mlp", "width": 6},
            "optimizer": {"kind": "sgd", "lr": 0.1},
            "precision": {"parameters": "float64"},
            "measure": {"every": 1, "dense_every": 1},
            "penalties": [{"kind": "l2", "weight": 0.5, **fields}],
        }
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [1, 1, 1, 1, 1, 1]),
        ({"warmup_steps": 4}, [0, 0.25, 0.5, 0.75, 1, 1]),
        ({"start_step": 3}, [0, 0, 0, 1, 1, 1]),
        ({"start_step": 1, "warmup_steps": 2}, [0, 0, 0.5, 1, 1, 1]),
    ],
    ids=str,
)
def test_the_factor_of_each_step_is_the_one_written_down(fields, expected):
    penalty = L2(weight=2.0, **fields)
    assert [penalty.factor(step) for step in range(6)] == expected
    objective = Objective(CrossEntropy(), (penalty, L2(weight=3.0)))
    found = [[part.weight for part in objective.at(step).penalties] for step in range(6)]
    assert found == [[2 * factor, 3] for factor in expected]


def test_an_objective_without_a_schedule_is_the_same_at_every_step():
    objective = Objective(CrossEntropy(), (L2(weight=2.0),))
    assert objective.at(0) is objective
    problem, _ = problem_of(config_of())
    assert problem.at(7) is problem


@pytest.mark.parametrize("size", [None, 4])
def test_a_run_minimizes_and_measures_the_penalty_of_its_step(size):
    config = config_of(start_step=2, warmup_steps=5)
    config = dataclasses.replace(config, batch=dataclasses.replace(config.batch, size=size))
    problem, params = problem_of(config)
    state, rows = {}, {}
    for record in train([dataclasses.replace(config, checkpoint=every_step(config))]):
        if hasattr(record, "state"):
            state[record.step] = record.state.params
        elif hasattr(record, "values"):
            rows[record.step] = record.values
    for step, flat in state.items():
        weight = 0.5 * min(max((step - 2) / 5, 0), 1)
        square = sum(x * x for x in flat.tolist()) / 2
        assert rows[step]["penalty"] == pytest.approx(weight * square, rel=1e-9)
        params.copy_(flat)
        task = Snapshot(problem, params, step=0).gradient
        whole = Snapshot(problem, params, step=step).gradient
        assert torch.allclose(whole, task + weight * flat, rtol=1e-9, atol=1e-12)
        if size is None and step + 1 in state:
            assert torch.allclose(state[step + 1], flat - 0.1 * whole, rtol=1e-9, atol=1e-12)
    assert len(state) == 13


def every_step(config):
    return dataclasses.replace(config.checkpoint, every=1)
