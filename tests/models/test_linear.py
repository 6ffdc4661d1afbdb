import pytest
import torch

from grokscope.errors import ConfigError
from grokscope.models import initialize
from grokscope.models.linear import Linear
from grokscope.tasks.mixed import Mixed
from grokscope.tasks.sequence import Sequence
from grokscope.tasks.teacher import Teacher


def build(dataset):
    network = Linear().build(dataset.signature)
    initialize(network, Linear().initialization, 0, dtype=torch.float64)
    return network, network.unembed.weight.detach()


def test_features_are_multiplied_by_the_matrix():
    dataset = Teacher(d=4, examples=9).dataset()
    network, weight = build(dataset)
    assert torch.allclose(network(network.prepare(dataset.inputs)), dataset.inputs @ weight.t())


def test_symbols_add_up_the_columns_they_stand_for():
    dataset = Mixed(p=3).dataset()
    network, weight = build(dataset)
    assert weight.shape == (3, 3 + 3 + 2)
    logits = network(network.prepare(dataset.inputs)).detach()
    for row, (a, b, op) in zip(logits, dataset.operands().tolist(), strict=True):
        assert torch.allclose(row, weight[:, a] + weight[:, 3 + b] + weight[:, 6 + op])


def test_several_answers_are_refused():
    with pytest.raises(ConfigError, match=r"^model: a linear model gives one answer"):
        Linear().build(Sequence().dataset().signature)
