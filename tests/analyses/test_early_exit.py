import numpy as np
import pytest
import torch
from torch.nn import functional as F

from grokscope.analyses.early_exit import _exits, early_exit
from grokscope.errors import ScienceError


def answer_of(network, pair, gates):
    """Return the answer of a gated network whose layers have these gates, one after another."""
    a, b = pair
    x = network.enter.weight[:, a] + network.enter.weight[:, 5 + b]
    for layer, gate in zip(network.layers, gates, strict=False):
        hidden = torch.relu(F.linear(x, layer.expand.weight, layer.expand.bias))
        x = x + gate * F.linear(hidden, layer.contract.weight, layer.contract.bias)
    return int((network.unembed.weight @ x).argmax())


def test_every_cut_is_the_network_without_the_layers_behind_it(runs):
    run = runs["gated"]
    result = run.analyze("early_exit")
    problem = run.snapshot().problem
    pairs, split = problem.dataset.operands().tolist(), problem.split
    gates = [torch.sigmoid(layer.logit).item() for layer in problem.network.layers]
    table = [[answer_of(problem.network, p, gates[:cut]) for cut in range(5)] for p in pairs]
    for side, rows in (("train", split.train), ("test", split.test)):
        for cut in range(5):
            right = [table[e][cut] == int(split.targets[e]) for e in rows.tolist()]
            expected = sum(right) / len(right)
            assert result.arrays[f"{side}_acc"][cut] == pytest.approx(expected), (side, cut)
    for example, row in enumerate(table):
        first = next(cut for cut in range(5) if set(row[cut:]) == {row[-1]})
        assert result.arrays["exit"][example] == first
        assert result.arrays["layers_used"][example] == first / 4
    used = [result.arrays["exit"][e] / 4 for e in split.test.tolist()]
    assert result.scalars["test_layers_used"] == pytest.approx(sum(used) / len(used))
    assert result.scalars["effective_depth"] == pytest.approx(sum(gates), rel=1e-6)
    assert result.arrays["depth_used"].tolist() == pytest.approx([sum(gates) / 4] * 25)
    assert result.arrays["patterns"].tolist() == [[gate > 0.5 for gate in gates]]
    assert result.arrays["pattern_counts"].tolist() == [25]


def test_what_shut_gates_hide_is_what_rounding_them_changes(runs, monkeypatch):
    run = runs["gated"]
    snapshot = run.snapshot()
    problem = snapshot.problem
    with torch.no_grad():
        for layer, logit in zip(problem.network.layers, (2.0, -0.1, 0.1, -3.0), strict=True):
            layer.logit.fill_(logit)
    monkeypatch.setattr(type(run), "snapshot", lambda self, step: snapshot)
    scalars, _ = early_exit(run)
    pairs, split = problem.dataset.operands().tolist(), problem.split
    for side, rows in (("train", split.train), ("test", split.test)):
        right = [
            answer_of(problem.network, pairs[e], [1.0, 0.0, 1.0, 0.0]) == int(split.targets[e])
            for e in rows.tolist()
        ]
        assert scalars[f"rounded_{side}_acc"] == pytest.approx(sum(right) / len(right))


def test_an_exit_is_where_the_answer_stops_changing():
    answers = torch.tensor([[1, 0, 2], [1, 1, 0], [1, 2, 0], [1, 1, 0]])
    assert _exits(answers).tolist() == [0, 3, 1]


def test_a_routed_network_has_exits_and_no_gates(runs):
    result = runs["routed"].analyze("early_exit")
    assert "gates" not in result.arrays
    assert result.arrays["test_acc"].shape == (3,)
    assert result.arrays["test_acc"][-1] == pytest.approx(runs["routed"].last["test_acc"])
    assert np.isin(result.arrays["exit"], [0, 1, 2]).all()


def test_a_network_without_a_stream_is_refused(runs):
    with pytest.raises(ScienceError, match=r"an early exit needs a stream of vectors"):
        runs["plain"].analyze("early_exit")
