"""Networks whose working units are known: parity by a few ReLU units among idle ones."""

import itertools

import pytest
import torch

from grokscope.errors import ScienceError
from grokscope.metrics import METRICS, measure
from grokscope.metrics.subnetwork import CHUNK
from grokscope.models.mlp import MLP
from grokscope.models.transformer import Transformer
from grokscope.objectives import Objective
from grokscope.objectives.hinge import Hinge
from grokscope.problem import Problem
from grokscope.snapshot import Snapshot
from grokscope.tasks import Data
from grokscope.tasks.modular import Modular
from grokscope.tasks.parity import Parity


def parity_units(k):
    """Return (direction, bias, output) of ReLU units that compute the product of k signs.

    The sum s of k signs takes k + 1 values, and the product alternates over them. A piecewise
    linear function of s that alternates between ±1 has a kink at each inner value.
    """
    values = [2 * j - k for j in range(k + 1)]
    heights = [1.0 if (k - j) % 2 == 0 else -1.0 for j in range(k + 1)]
    slopes = [(b - a) / 2 for a, b in itertools.pairwise(heights)]
    units = [(0.0, 1.0, heights[0]), (1.0, -values[0], slopes[0])]
    units += [
        (1.0, -value, after - before)
        for value, (before, after) in zip(values[1:-1], itertools.pairwise(slopes), strict=True)
    ]
    return units


def snapshot_with(k, width, *, noise, seed=0):
    """Return a network of `width` units of which k + 1 compute parity, in places of no order."""
    problem, flat = Problem.build(
        task=Parity(n=k + 2, k=k, examples=None),
        data=Data(train_fraction=0.5),
        model=MLP(width=width, activation="relu"),
        objective=Objective(Hinge()),
        seed=seed,
        dtype=torch.float64,
    )
    tensors = problem.layout.split(flat)
    weight, bias, out = (tensors[x] for x in ("first.weight", "first.bias", "unembed.weight"))
    generator = torch.Generator().manual_seed(seed)
    for tensor in (weight, bias, out):
        size = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        tensor.copy_(noise * size)
    places = torch.randperm(width, generator=generator)
    for place, (direction, offset, output) in zip(places, parity_units(k), strict=False):
        weight[place] = 0
        weight[place, :k] = direction
        if direction == 0:  # a trace of a bit that does not count gives the constant unit a norm
            weight[place, k] = 1e-3
        bias[place] = offset
        out[:, place] = torch.tensor([1.0, -1.0], dtype=torch.float64) * output
    return Snapshot(problem, flat)


def smallest_by_removing(snapshot):
    """Return the smallest k by running the network with all other units taken out."""
    problem = snapshot.problem
    tensors = problem.layout.split(snapshot.params)
    network = problem.network
    inputs = network.prepare(problem.dataset.inputs)
    weight, out = tensors["first.weight"], tensors["unembed.weight"]
    order = sorted(range(len(weight)), key=lambda i: -float(weight[i].norm()))
    whole, kept = network(inputs).argmax(1), out.clone()
    for k in range(1, len(order) + 1):
        out.zero_()
        out[:, order[:k]] = kept[:, order[:k]]
        same = torch.equal(network(inputs).argmax(1), whole)
        out.copy_(kept)
        if same:
            return k
    raise AssertionError("the whole network agrees with itself")


@pytest.mark.parametrize(("k", "units"), [(5, 6), (7, 8)])
def test_the_units_that_compute_parity_are_counted(k, units):
    snapshot = snapshot_with(k, 40, noise=0.0)
    assert torch.equal(snapshot.all_logits.argmax(1), snapshot.problem.dataset.targets)
    found = measure(snapshot, [METRICS["effective_subnetwork"]])
    assert found == {"effective_subnetwork": float(units)}


@pytest.mark.parametrize("noise", [1e-4, 0.3, 1.0])
@pytest.mark.parametrize("width", [20, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_the_count_is_that_of_a_search_by_removal(width, noise):
    snapshot = snapshot_with(3, width, noise=noise, seed=width)
    found = measure(snapshot, [METRICS["effective_subnetwork"]])["effective_subnetwork"]
    assert found == smallest_by_removing(snapshot)


def test_a_network_without_such_units_is_refused():
    problem, flat = Problem.build(
        task=Modular(p=5),
        data=Data(train_fraction=0.5),
        model=Transformer(d_model=8, num_heads=2, d_mlp=8),
        objective=Objective(Hinge()),
        seed=0,
    )
    with pytest.raises(ScienceError, match=r"^this network has no hidden layer"):
        measure(Snapshot(problem, flat), [METRICS["effective_subnetwork"]])
