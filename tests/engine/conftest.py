"""Tiny cohorts, and what comes out of them as plain data."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, get_type_hints

import pytest

from grokscope.config import RunConfig, decode
from grokscope.engine import Finished, Measured, Saved, train
from grokscope.engine.member import Member
from grokscope.errors import ConfigError
from grokscope.models import MODELS
from grokscope.tasks import TASKS

# Fields without which a small model reads none of the small tasks.
SUITED = {"lenet": {"padding": "same", "channels": [2, 2]}}
# Sections that keep a task small: some forty of the digits.
FEW = {"digits": {"data": {"train_fraction": 0.02}}}


@dataclass
class Trace:
    """Everything one member of a cohort yielded, in order."""

    rows: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    states: list[Any] = field(default_factory=list)
    end: Finished | None = None
    order: list[str] = field(default_factory=list)


def small(cls, limit=8):
    """Return the part with every number of units, layers or symbols at most `limit`."""
    hints = get_type_hints(cls)
    integers = [f for f in dataclasses.fields(cls) if hints[f.name] is int]
    return {"kind": cls.kind} | {f.name: min(f.default, limit) for f in integers}


@pytest.fixture(scope="session")
def config_of():
    """Return a function that makes a small configuration with sections replaced."""

    def make(**sections) -> RunConfig:
        tree = {
            "steps": 12,
            "stop": "never",
            "task": {"kind": "modular", "p": 5},
            "data": {"train_fraction": 0.5},
            "model": {"kind": "mlp", "width": 6},
            "optimizer": {"kind": "adamw", "lr": 1e-2, "weight_decay": 0.5},
            "measure": {"every": 4, "dense_every": 2, "dense_until": 4},
            "checkpoint": {"every": 5, "early": [0, 3]},
        }
        return decode(tree | sections)

    return make


@pytest.fixture(scope="session")
def model_sections(config_of):
    """Return for each registered model the sections `model` and `task` of a small run."""

    def readable(model, task):
        try:
            Member(0, config_of(model=model, task=task))
        except ConfigError:
            return False  # this model does not read this task, and says so
        return True

    tasks = [{"kind": "modular", "p": 5}]
    tasks += [small(TASKS[name], limit=5) for name in TASKS if name != "modular"]
    found = {}
    for name in MODELS:
        model = small(MODELS[name]) | SUITED.get(name, {})
        task = next(task for task in tasks if readable(model, task))
        found[name] = {"model": model, "task": task} | FEW.get(task["kind"], {})
    return found


@pytest.fixture(scope="session")
def trace():
    """Return a function that trains a cohort and gathers the records of each member."""

    def gather(configs, **options) -> list[Trace]:
        found = [Trace() for _ in configs]
        for record in train(configs, **options):
            one = found[record.member]
            assert one.end is None
            one.order.append(f"{type(record).__name__} {record.step}")
            if isinstance(record, Measured):
                one.rows.append((record.step, dict(record.values)))
            elif isinstance(record, Saved):
                one.states.append(record.state)
            else:
                one.end = record
        assert all(one.end is not None for one in found)
        return found

    return gather
