"""What every task promises, for every task there is."""

import dataclasses
import functools
import hashlib
import math
import struct
from decimal import Decimal
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
import torch

from grokscope.errors import ConfigError
from grokscope.tasks import TASKS, Data, Dataset
from grokscope.tasks.modular import Modular

EXTRA = {
    "modular": [{"operation": "divide", "p": 12}, {"pairs": "unordered", "p": 9}],
    "polynomial": [{"pairs": "unordered", "p": 9, "expression": "a^2+ab+b^2"}],
    "mixed": [{"operations": ("divide", "subtract", "add"), "p": 6}],
    "parity": [
        {"n": 6, "k": 2, "examples": None},
        {"n": 3, "k": 3, "examples": 6},
        {"n": 62, "k": 1, "examples": 50, "draw": 1},
    ],
    "sequence": [
        {"size": 3, "length": 3, "examples": None},
        {"size": 3, "length": 3, "examples": 20, "operation": "reverse"},
    ],
    "mnist": [{"examples": None}, {"examples": 30, "draw": 2}],
    "teacher": [{"noise": 0.5, "examples": 30, "d": 3}],
    "group": [{"family": "alternating", "n": 4, "layout": "a op b ="}],
}

# Fields without which a task has nothing to read: made-up images.
NEEDED = {"mnist": {"path": str(Path(__file__).parents[1] / "tasks" / "idx"), "examples": 40}}

GOLDEN_TRAIN = [1, 3, 4, 6, 8, 9, 10, 11, 14, 15, 20, 21]
GOLDEN_HASH = "d313b462723caa752a0021449b1c6971c958a56635d6c97e40ef591b6086069d"


def variants(cls):
    """Yield the default configuration, then small ones that differ in one choice at a time."""
    needed = NEEDED.get(vars(cls)["kind"], {})
    yield cls(**needed)
    hints = get_type_hints(cls)
    integers = [f.name for f in dataclasses.fields(cls) if hints[f.name] is int]
    for size in (4, 7):
        small = dict.fromkeys(integers, size)
        changes = [{}]
        for field in dataclasses.fields(cls):
            if get_origin(hints[field.name]) is Literal:
                changes += [{field.name: choice} for choice in get_args(hints[field.name])]
            elif hints[field.name] is bool:
                changes += [{field.name: choice} for choice in (False, True)]
        for change in changes:
            try:
                yield cls(**{**small, **needed, **change})
            except ConfigError:
                continue  # this combination has no meaning, and says so
    for extra in EXTRA.get(vars(cls)["kind"], []):
        yield cls(**{**needed, **extra})


ALL = list(dict.fromkeys(task for kind in TASKS for task in variants(TASKS[kind])))


@functools.cache
def dataset_of(task) -> Dataset:
    return task.dataset()


every_task = pytest.mark.parametrize("task", ALL, ids=repr)


def test_every_kind_is_covered():
    assert {task.kind for task in ALL} == set(TASKS)
    assert len(TASKS) >= 4


@every_task
def test_data_is_the_same_at_every_call(task):
    first, second = dataset_of(task), task.dataset()
    assert torch.equal(first.inputs, second.inputs)
    assert torch.equal(first.targets, second.targets)
    assert first.signature == second.signature


@every_task
def test_signature_describes_the_tensors(task):
    dataset = dataset_of(task)
    signature = dataset.signature
    assert len(dataset) == len(dataset.inputs) == len(dataset.targets) > 1
    answers = (signature.num_answers,) if signature.num_answers > 1 else ()
    assert dataset.targets.shape == (len(dataset), *answers)
    real = signature.tolerance is not None
    assert dataset.targets.dtype == (torch.float64 if real else torch.int64)
    if signature.seq_len:
        assert dataset.inputs.dtype == torch.int64
        assert dataset.inputs.shape[1] == signature.seq_len
        assert signature.num_features == 0
    else:
        assert dataset.inputs.dtype.is_floating_point
        assert dataset.inputs.shape[1] == signature.num_features


@every_task
def test_inputs_stay_in_their_range(task):
    dataset = dataset_of(task)
    if dataset.signature.seq_len:
        assert dataset.inputs.min() >= 0
        assert dataset.inputs.max() < dataset.signature.vocab_size
    else:
        assert torch.isfinite(dataset.inputs).all()


@every_task
def test_targets_are_in_their_range_and_not_all_the_same(task):
    dataset = dataset_of(task)
    if dataset.signature.tolerance is None:
        assert dataset.targets.min() >= 0
        assert dataset.targets.max() < dataset.signature.num_classes
        assert dataset.signature.chance == 1 / dataset.signature.num_classes
    else:
        assert torch.isfinite(dataset.targets).all()
        assert (dataset.signature.num_classes, dataset.signature.chance) == (1, 0.0)
    assert len(dataset.targets.unique()) > 1


@every_task
def test_factors_hold_all_that_varies(task):
    dataset = dataset_of(task)
    factors = {factor.position: factor for factor in dataset.signature.factors}
    for position in range(dataset.signature.seq_len):
        column = dataset.inputs[:, position]
        if position in factors:
            values = column - factors[position].start
            assert values.min() >= 0
            assert values.max() < factors[position].size
        else:
            assert len(column.unique()) == 1


@every_task
def test_operands_count_from_zero(task):
    dataset = dataset_of(task)
    operands = dataset.operands().tolist()
    rows = dataset.inputs.tolist()
    for row, values in zip(rows[:50] + rows[-50:], operands[:50] + operands[-50:], strict=True):
        assert values == [row[f.position] - f.start for f in dataset.signature.factors]


@every_task
def test_no_example_is_there_twice(task):
    rows = [tuple(row) for row in dataset_of(task).inputs.tolist()]
    assert len(set(rows)) == len(rows)


@every_task
@pytest.mark.parametrize("fraction", ["0.29", "0.5", "0.7"])
def test_a_split_is_disjoint_exhaustive_and_of_its_size(task, fraction):
    dataset = dataset_of(task)
    split = Data(train_fraction=float(fraction)).split(dataset, 11)
    train, test = split.train.tolist(), split.test.tolist()
    assert len(train) == math.floor(Decimal(fraction) * len(dataset))
    assert sorted(train + test) == list(range(len(dataset)))
    assert train == sorted(train)
    assert test == sorted(test)
    assert torch.equal(split.targets, dataset.targets)


@every_task
def test_a_split_is_a_function_of_its_seed(task):
    dataset = dataset_of(task)
    again = Data(train_fraction=0.5).split(task.dataset(), 3)
    splits = [Data(train_fraction=0.5).split(dataset, seed) for seed in range(6)]
    assert again.hash == splits[3].hash
    assert len({split.hash for split in splits}) > 1
    if len(dataset) >= 25:
        assert len({split.hash for split in splits}) == 6


@every_task
def test_a_split_does_not_change_the_dataset(task):
    dataset = dataset_of(task)
    before = dataset.targets.clone()
    Data(train_fraction=0.5, label_noise=0.5, random_labels=True).split(dataset, 0)
    assert torch.equal(dataset.targets, before)


def test_a_split_is_the_same_on_every_machine():
    split = Data(train_fraction=0.5, label_noise=0.25).split(Modular(p=5).dataset(), 42)
    assert split.train.tolist() == GOLDEN_TRAIN
    assert split.hash == GOLDEN_HASH


def test_the_hash_covers_train_test_and_targets():
    split = Data(train_fraction=0.5).split(Modular(p=5).dataset(), 7)
    digest = hashlib.sha256()
    for part in (split.train, split.test, split.targets):
        for number in part.tolist():
            digest.update(struct.pack("<q", number))
        digest.update(b"|")
    assert split.hash == digest.hexdigest()
    for name in ("train", "test", "targets"):
        changed = getattr(split, name).clone()
        changed[0] += 1
        assert dataclasses.replace(split, **{name: changed}).hash != split.hash
