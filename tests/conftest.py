"""What holds for every test: checked shapes, one thread, and no settings from outside."""

import json
import os
import shutil
from collections.abc import Callable
from typing import Any

import pytest
import torch
from beartype import beartype
from jaxtyping import install_import_hook


def check_functions(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check the arguments of functions and methods, but not those of constructors.

    A mapped cohort rebuilds frozen dataclasses around stacked tensors (`Prefixes` with one more
    axis, `Hinge(margin=<tensor>)`), so what a field holds is not what a single run sees there.
    """
    return function if function.__qualname__.endswith("__init__") else beartype(function)


# The hook looks the checker up by its dotted name when a module of grokscope is imported.
install_import_hook(
    ["grokscope.ops", "grokscope.tasks", "grokscope.models", "grokscope.objectives"],
    f"{__name__}.{check_functions.__name__}",
)
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GROKSCOPE_")]:
        monkeypatch.delenv(name)


SMALL = ["task.p=5", "model.width=6", "data.train_fraction=0.5", "stop=never", "steps=30"]


def with_marks(run, name, memorized_at, grokked_at):
    """Return a copy of a run that says it memorized and grokked at these steps."""
    import grokscope

    path = run.path.with_name(name)
    shutil.copytree(run.path, path)
    status = json.loads((path / "status.json").read_bytes())
    status |= {"memorized_at": memorized_at, "grokked_at": grokked_at}
    (path / "status.json").write_bytes(json.dumps(status).encode())
    return grokscope.open(path)


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Return runs in every condition in which somebody may want to see them, by name."""
    import grokscope
    from grokscope.config import load
    from grokscope.errors import DivergedError
    from grokscope.store import create

    out = tmp_path_factory.mktemp("runs")

    def train(name, *overrides):
        return grokscope.train("quick", [*SMALL, *overrides], out=out, name=name)

    run = train("run")
    found = {
        "plain": with_marks(run, "plain", None, None),
        "memorized": with_marks(run, "memorized", 10, None),
        "grokked": with_marks(run, "grokked", 10, 20),
        "at once": with_marks(run, "at-once", 0, 0),
        "no metrics": train("no-metrics", "measure.metrics=[]"),
        "one step": train("one-step", "steps=1"),
    }
    found["only step 0"] = grokscope.train(
        "quick", SMALL, out=out, name="begun", stop_requested=lambda: True
    )
    metrics = "gate_values,effective_depth,gate_entropy,compute_cost"
    gates = ["model.kind=gated", "model.d_hidden=5", "model.init.scale=0.5"]
    found["gated"] = train("gated", *gates, f"measure.metrics=[{metrics}]")
    metrics = "routing_entropy,utilization_gini,dominant_head"
    heads = ["model.kind=routed", "model.d_head=4", "model.init.scale=0.5"]
    found["routed"] = train("routed", *heads, f"measure.metrics=[{metrics}]")
    found["routed"].analyze("routing_map")
    found["spectra"] = train("spectra", "steps=60", "checkpoint.every=20", "model.width=4")
    found["spectra"].analyze("hessian_spectrum")
    found["spectra"].analyze("spectral_dendrogram")
    found["circuit"] = train("circuit", "task.p=7", "checkpoint.early=[0,10,20]")
    for name in ("fourier_circuit", "activation_surface", "laplacian_spectrum", "phases"):
        found["circuit"].analyze(name)
    with pytest.raises(DivergedError, match="the objective is"):
        train("diverged", "optimizer.lr=1e30")
    found["diverged"] = grokscope.open(out / "diverged")
    with create(out / "empty", load("quick", SMALL, environment={}), {}):
        found["nothing measured"] = grokscope.open(out / "empty")
    return found


@pytest.fixture
def closed_form():
    """Return a function that makes the quadratic network whose weights are known.

    Weights cos(2πka/p + φ1), cos(2πkb/p + φ2) and cos(2πkc/p + φ1 + φ2), the phases drawn;
    frequencies: one for each unit in turn, all 1 … (p - 1)/2 by default.
    """
    import math

    import numpy as np

    from grokscope.models.mlp import MLP
    from grokscope.objectives import Objective
    from grokscope.objectives.cross_entropy import CrossEntropy
    from grokscope.problem import Problem
    from grokscope.snapshot import Snapshot
    from grokscope.tasks import Data
    from grokscope.tasks.modular import Modular

    def make(p, units, *, frequencies=None, scale=1.0):
        problem, flat = Problem.build(
            task=Modular(p=p),
            data=Data(train_fraction=0.4),
            model=MLP(width=units, activation="quadratic", biases=False),
            objective=Objective(CrossEntropy()),
            seed=0,
            dtype=torch.float64,
        )
        rng = np.random.default_rng(0)
        every = list(frequencies or range(1, (p - 1) // 2 + 1))
        tensors = problem.layout.split(flat)
        x = torch.arange(p, dtype=torch.float64)
        for unit in range(units):
            turn = 2 * math.pi * every[unit % len(every)] / p * x
            one, two = rng.uniform(0, 2 * math.pi, 2)
            tensors["first.weight"][unit] = torch.cat([(turn + one).cos(), (turn + two).cos()])
            tensors["unembed.weight"][:, unit] = scale * (turn + one + two).cos()
        return Snapshot(problem, flat)

    return make
