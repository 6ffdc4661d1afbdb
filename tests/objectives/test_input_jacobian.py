import pytest
import torch

from grokscope.config import decode, problem_of
from grokscope.objectives.input_jacobian import InputJacobian

MODELS = {
    "mlp": {"kind": "mlp", "width": 9},
    "embedded": {"kind": "mlp", "width": 9, "inputs": "embedded", "d_embed": 4, "depth": 2},
    "transformer": {"kind": "transformer", "d_model": 8, "num_heads": 2, "d_mlp": 6},
}


def problem_with(model, penalty):
    tree = {
        "task": {"kind": "modular", "p": 5},
        "model": MODELS[model],
        "optimizer": {"kind": "sgd"},
        "penalties": [penalty],
        "precision": {"parameters": "float64"},
    }
    return problem_of(decode(tree))[0]


def mean_square(problem):
    """Return the mean squared Jacobian by central differences of one input number at a time."""
    network, prepared = problem.network, problem.train.prepared
    seen = {}
    handle = network.embeddings.register_forward_hook(lambda m, args, out: seen.update(x=out))
    network(prepared)
    handle.remove()
    x = seen["x"].detach()
    total, h = 0.0, 1e-6
    for number in range(x[0].numel()):
        shift = torch.zeros_like(x)
        shift.flatten(1)[:, number] = h
        ends = []
        for sign in (1, -1):
            moved = x + sign * shift
            handle = network.embeddings.register_forward_hook(lambda m, args, out, y=moved: y)
            with torch.no_grad():
                ends.append(network(prepared))
            handle.remove()
        total += ((ends[0] - ends[1]) / (2 * h)).square().sum().item()
    return total / len(x)


@pytest.mark.parametrize("model", MODELS)
def test_without_directions_it_is_the_jacobian_exactly(model):
    problem = problem_with(model, {"kind": "input_jacobian", "weight": 1.0, "directions": None})
    found = problem.terms(problem.train).penalty.item()
    assert found == pytest.approx(mean_square(problem), rel=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_random_signs_estimate_it(model):
    exact = problem_with(model, {"kind": "input_jacobian", "weight": 1.0, "directions": None})
    expected = exact.terms(exact.train).penalty.item()
    many = problem_with(model, {"kind": "input_jacobian", "weight": 1.0, "directions": 3000})
    assert many.terms(many.train).penalty.item() == pytest.approx(expected, rel=0.05)


def test_the_signs_are_the_same_at_every_call_and_differ_between_examples():
    logits = torch.zeros(6, 5, dtype=torch.float64)
    first, second = (InputJacobian(directions=4)._directions(logits) for _ in range(2))
    assert torch.equal(first, second)
    assert set(first.unique().tolist()) == {-1.0, 1.0}
    assert len({tuple(row.tolist()) for row in first.transpose(0, 1).flatten(1)}) == 6
