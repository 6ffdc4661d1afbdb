import math

import numpy as np
import pytest
import torch

from grokscope.errors import ScienceError
from grokscope.models import capture


def test_the_map_is_what_passes_the_routing_probes_example_by_example(runs):
    run = runs["routed"]
    result = run.analyze("routing_map")
    problem = run.snapshot().problem
    network = problem.network
    for number, pair in enumerate(problem.dataset.inputs):
        with capture(network) as seen, torch.no_grad():
            network(network.prepare(pair.unsqueeze(0), share=False))
        for layer in range(2):
            own = seen[f"layers.{layer}.routing"][0].numpy()
            np.testing.assert_allclose(result.arrays["weights"][layer, number], own, rtol=1e-5)
            assert result.arrays["dominant"][layer, number] == own.argmax()
    weights = result.arrays["weights"].astype(float)
    np.testing.assert_allclose(result.arrays["utilization"], weights.mean(1), rtol=1e-6)
    expected = -(weights * np.log(weights)).sum(-1).mean()
    assert result.scalars["routing_entropy"] == pytest.approx(expected, rel=1e-5)
    assert result.scalars["routing_entropy_max"] == pytest.approx(math.log(4))
    shares = np.bincount(result.arrays["dominant"][1], minlength=4) / 25
    assert result.scalars["dominant_share.1"] == pytest.approx(shares.max(), abs=1e-6)
    assert np.flatnonzero(result.arrays["trained"]).tolist() == problem.split.train.tolist()
    assert result.arrays["operands"].tolist() == problem.dataset.operands().tolist()


def test_a_step_can_be_chosen(runs):
    first = runs["routed"].analyze("routing_map", step=0)
    assert first.scalars["step"] == 0
    assert first.scalars != runs["routed"].analyze("routing_map").scalars


def test_a_network_that_does_not_route_is_refused(runs):
    with pytest.raises(ScienceError, match=r"this network does not route: it needs model\.kind"):
        runs["plain"].analyze("routing_map")
