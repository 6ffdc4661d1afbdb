import math

import numpy as np
import pytest
import torch

import grokscope
from grokscope.ops.streams import normals, stream

SMALL = ["task.p=5", "model.width=4", "data.train_fraction=0.6", "stop=never", "steps=40"]
PENALTY = "penalties=[{kind: l2, weight: 0.3}]"


def test_the_chains_are_those_of_a_plain_loop(tmp_path):
    options = [*SMALL, PENALTY, "precision.parameters=float64", "checkpoint.early=[0,20]"]
    run = grokscope.train("quick", options, out=tmp_path)
    options = {"localizer": 50.0, "step_size": 1e-4, "draws": 12, "burn_in": 5, "chains": 2}
    found = run.analyze("local_learning_coefficient", step=20, **options)
    snapshot = run.snapshot(20)
    problem, center = snapshot.problem, snapshot.params.clone()
    inputs, targets = problem.train.inputs, problem.train.targets
    weights = list(problem.network.parameters())
    losses = np.zeros((2, 17))
    n = len(targets)
    for chain in range(2):
        point = center.clone()
        for draw in range(17):
            snapshot.params.copy_(point)
            logits = problem.network(problem.network.prepare(inputs, share=False))
            loss = torch.nn.functional.cross_entropy(logits, targets)
            gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights)])
            losses[chain, draw] = loss.item()
            noise = torch.from_numpy(normals(stream(chain, "langevin", draw), len(center)))
            pull = n / math.log(n) * gradient + 50.0 * (point - center)
            point = point - 0.5e-4 * pull + 1e-2 * noise
    assert found.arrays["losses"] == pytest.approx(losses, rel=1e-9)
    kept = n / math.log(n) * (losses[:, 5:] - losses[0, 0])
    assert found.scalars["llc"] == pytest.approx(kept.mean(), rel=1e-9)
    assert found.scalars["standard_error"] == pytest.approx(
        abs(kept[0].mean() - kept[1].mean()) / 2, rel=1e-9
    )
    assert found.scalars["llc_start"] == pytest.approx(kept[:, :6].mean(), rel=1e-9)
    assert found.scalars["llc_end"] == pytest.approx(kept[:, 6:].mean(), rel=1e-9)
    assert (found.scalars["step"], found.scalars["examples"]) == (20, n)
