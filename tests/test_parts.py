"""Parts of a training set are a fast path: here is its slow twin."""

import dataclasses

import pytest
import torch

import grokscope.problem
from grokscope.config import decode
from grokscope.config.build import problem_of
from grokscope.ops.lanes import lanes

MODELS = {
    "one layer": {"kind": "transformer", "d_model": 8, "num_heads": 2, "d_mlp": 12},
    "attention": {"kind": "transformer", "d_model": 8, "num_heads": 4, "d_mlp": 0, "causal": False},
    "biased": {"kind": "transformer", "d_model": 8, "num_heads": 2, "attention_biases": True},
    "deep": {"kind": "transformer", "d_model": 8, "num_heads": 2, "num_layers": 2, "norm": "pre"},
    "mlp": {"kind": "mlp", "width": 9},
    "embedded": {"kind": "mlp", "width": 9, "depth": 2, "inputs": "embedded", "activation": "gelu"},
    "routed": {"kind": "routed", "width": 9, "d_head": 4},
    "gated": {"kind": "gated", "width": 9, "d_hidden": 5, "gate_sees": "input"},
    "answers": {"kind": "transformer", "d_model": 8, "num_heads": 2, "num_layers": 2},
    "features": {"kind": "mlp", "width": 9},
    "linear": {"kind": "linear"},
}
PENALTIES = {
    "routed": [{"kind": "routing_entropy", "weight": 0.3}],
    "gated": [{"kind": "gate_cost", "cost": "sum_entropy", "weight": 0.3}],
}
TASKS = {
    "answers": {"kind": "sequence", "size": 5, "length": 3, "examples": None},
    "features": {"kind": "parity", "n": 10, "k": 2, "examples": 121},
}


def problem(monkeypatch, model, precision, *, part, penalties=()):
    monkeypatch.setattr(grokscope.problem, "PART", part)
    tree = {
        "task": TASKS.get(model, {"kind": "modular", "p": 11}),
        "data": {"train_fraction": 0.7},
        "model": MODELS[model],
        "optimizer": {"kind": "adamw"},
        "precision": {"parameters": precision},
        "penalties": list(penalties),
    }
    return problem_of(decode(tree))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-6), ("float64", 1e-12)])
def test_parts_have_the_value_and_gradient_of_the_whole(monkeypatch, model, precision, tolerance):
    penalties = [{"kind": "l2", "weight": 0.1}, *PENALTIES.get(model, [])]
    cut, _ = problem(monkeypatch, model, precision, part=20, penalties=penalties)
    whole, _ = problem(monkeypatch, model, precision, part=1000, penalties=penalties)
    assert len(cut.train.parts) == 6
    assert sum(len(part) for part in cut.train.parts) == len(cut.train)
    assert not whole.train.parts
    (terms, gradient), (expected, slope) = (x.gradient(x.train) for x in (cut, whole))
    for field in dataclasses.fields(terms):
        here, there = getattr(terms, field.name), getattr(expected, field.name)
        assert here.dtype == there.dtype
        assert (here - there).norm() <= tolerance * there.norm(), field.name
    assert (gradient - slope).norm() <= tolerance * slope.norm()
    logits, others = cut.logits(cut.test), whole.logits(whole.test)
    assert (logits - others).norm() <= tolerance * others.norm()


@pytest.mark.parametrize("model", MODELS)
def test_the_number_of_lanes_changes_no_bit(monkeypatch, model):
    found = []
    for count in (1, 2, 3):
        cut, _ = problem(monkeypatch, model, "float32", part=20)
        with lanes(count):
            terms, gradient = cut.gradient(cut.train)
            found.append((terms.total, gradient, cut.logits(cut.test)))
    for other in found[1:]:
        assert all(torch.equal(x, y) for x, y in zip(found[0], other, strict=True))
