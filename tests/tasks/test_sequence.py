import itertools

import pytest
import torch

from grokscope.errors import ConfigError
from grokscope.tasks.sequence import Sequence


@pytest.mark.parametrize("operation", ["copy", "reverse"])
def test_all_sequences_stand_beside_their_answers(operation):
    dataset = Sequence(size=3, length=4, examples=None, operation=operation).dataset()
    expected = list(itertools.product(range(3), repeat=4))
    for tokens, targets, x in zip(
        dataset.inputs.tolist(), dataset.targets.tolist(), expected, strict=True
    ):
        y = x if operation == "copy" else x[::-1]
        assert tokens == [*x, 3, *y[:-1]]
        assert targets == list(y)
    assert dataset.signature.num_answers == 4
    assert dataset.signature.seq_len == 8
    assert dataset.signature.vocab_size == 4


def test_drawn_sequences_are_different_and_use_every_symbol():
    dataset = Sequence(size=10, length=5, examples=500).dataset()
    rows = {tuple(row) for row in dataset.inputs.tolist()}
    assert len(rows) == 500
    counts = torch.bincount(dataset.inputs[:, :5].flatten(), minlength=10)
    assert counts.min() > 150  # 250 expected, with a standard deviation of 15


def test_another_draw_is_another_sample():
    one, other = (Sequence(examples=50, draw=draw).dataset().inputs for draw in (0, 1))
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": 10, "length": 13}, r"^length: 10\^13 sequences are more than 2\^40$"),
        ({"size": 10, "length": 9, "examples": None}, r"^examples: all 10\^9 are too many"),
        ({"size": 3, "length": 2, "examples": 10}, r"^examples: there are only 9 strings"),
    ],
)
def test_what_cannot_be_is_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        Sequence(**fields)
