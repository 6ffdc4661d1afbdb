import pytest
import torch

from grokscope.errors import ConfigError
from grokscope.tasks import Data, Split, lookup_baseline
from grokscope.tasks.group import Group
from grokscope.tasks.mixed import Mixed
from grokscope.tasks.modular import Modular
from grokscope.tasks.polynomial import Polynomial
from grokscope.tasks.sequence import Sequence
from grokscope.tasks.teacher import Teacher


def table_score(dataset, split):
    """Answer each test pair with the training answer of its mirror image, or not at all."""
    rows = dataset.operands().tolist()
    right = 0
    for e in split.test.tolist():
        a, b, *rest = rows[e]
        for t in split.train.tolist():
            if rows[t] == [b, a, *rest] and int(split.targets[t]) == int(split.targets[e]):
                right += 1
    return right / len(split.test)


@pytest.mark.parametrize(
    "task",
    [
        Modular(p=9),
        Modular(p=8, operation="subtract"),
        Modular(p=7, operation="divide"),
        Modular(p=9, pairs="unordered"),
        Polynomial(p=7, expression="a^3+ab"),
        Mixed(p=5, operations=("add", "subtract")),
        Group(family="symmetric", n=3),
        Group(family="dihedral", n=4, layout="a op b ="),
    ],
    ids=repr,
)
@pytest.mark.parametrize("noise", [0.0, 0.4])
def test_the_baseline_is_what_a_table_with_mirror_images_scores(task, noise):
    dataset = task.dataset()
    for seed in range(2):
        split = Data(train_fraction=0.6, label_noise=noise).split(dataset, seed)
        assert lookup_baseline(dataset, split) == pytest.approx(table_score(dataset, split), abs=0)


@pytest.mark.parametrize("fraction", [0.2, 0.5])
def test_the_baseline_of_addition_is_near_its_expectation(fraction):
    p = 59
    dataset = Modular(p=p).dataset()
    data = Data(train_fraction=fraction)
    scores = [lookup_baseline(dataset, data.split(dataset, seed)) for seed in range(5)]
    assert sum(scores) / 5 == pytest.approx(fraction * (1 - 1 / p), abs=0.02)


def test_the_baseline_of_several_answers_is_nothing():
    dataset = Sequence(size=3, length=2, examples=None).dataset()
    assert lookup_baseline(dataset, Data(train_fraction=0.5).split(dataset, 0)) == 0


@pytest.mark.parametrize("noise", [0.2, 0.5])
def test_noise_on_a_sequence_changes_all_its_answers(noise):
    dataset = Sequence(size=5, length=3, examples=100).dataset()
    split = Data(train_fraction=0.5, label_noise=noise).split(dataset, 0)
    wrong = split.targets != dataset.targets
    assert torch.equal(wrong.all(1), wrong.any(1))
    assert int(wrong.all(1).sum()) == int(wrong.all(1)[split.train].sum()) == round(noise * 50)


def test_random_answers_of_sequences_are_uniform():
    dataset = Sequence(size=5, length=3, examples=None).dataset()
    targets = Data(train_fraction=0.5, random_labels=True).split(dataset, 0).targets
    assert targets.shape == dataset.targets.shape
    assert (targets == dataset.targets).double().mean() < 0.3
    assert targets.unique().tolist() == [0, 1, 2, 3, 4]


def test_real_targets_are_shuffled_or_taken_from_others():
    dataset = Teacher(d=3, examples=60).dataset()
    shuffled = Data(train_fraction=0.5, random_labels=True).split(dataset, 0).targets
    assert sorted(shuffled.tolist()) == sorted(dataset.targets.tolist())
    assert (shuffled == dataset.targets).sum() < 10
    split = Data(train_fraction=0.5, label_noise=0.5).split(dataset, 0)
    changed = (split.targets != dataset.targets).nonzero().flatten().tolist()
    assert 10 <= len(changed) <= 15
    assert set(changed) <= set(split.train.tolist())
    assert set(split.targets.tolist()) <= set(dataset.targets.tolist())


def test_the_hash_tells_real_targets_apart_that_round_alike():
    dataset = Teacher(d=3, examples=10).dataset()
    split = Data(train_fraction=0.5).split(dataset, 0)
    other = Split(split.train, split.test, split.targets + 1e-9)
    assert split.hash != other.hash


def test_mirror_images_do_not_help_where_pairs_are_unordered():
    dataset = Modular(p=11, pairs="unordered").dataset()
    assert lookup_baseline(dataset, Data(train_fraction=0.5).split(dataset, 0)) == 0


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.37, 0.9])
def test_label_noise_changes_its_share_of_training_labels_and_no_test_label(noise):
    dataset = Modular(p=11).dataset()
    data = Data(train_fraction=0.6, label_noise=noise)
    for seed in range(3):
        split = data.split(dataset, seed)
        changed = split.targets != dataset.targets
        assert int(changed.sum()) == round(noise * len(split.train))
        assert not changed[split.test].any()
        assert split.targets.min() >= 0
        assert split.targets.max() < 11


def test_label_noise_leaves_the_split_itself_alone():
    dataset = Modular(p=11).dataset()
    clean, noisy = Data().split(dataset, 5), Data(label_noise=0.5).split(dataset, 5)
    assert torch.equal(clean.train, noisy.train)
    assert torch.equal(clean.test, noisy.test)
    assert clean.hash != noisy.hash


def test_wrong_labels_are_spread_over_the_other_classes():
    dataset = Modular(p=5).dataset()
    shifts = []
    for seed in range(200):
        split = Data(train_fraction=0.8, label_noise=0.9).split(dataset, seed)
        changed = split.targets != dataset.targets
        shifts += ((split.targets - dataset.targets) % 5)[changed].tolist()
    counts = [shifts.count(shift) for shift in range(5)]
    assert counts[0] == 0
    expected = len(shifts) / 4
    assert all(abs(count - expected) < 5 * (expected * 3 / 4) ** 0.5 for count in counts[1:])


def test_noise_with_two_classes_takes_the_other_one():
    dataset = Modular(p=2).dataset()
    split = Data(train_fraction=0.5, label_noise=0.5).split(dataset, 0)
    assert int((split.targets != dataset.targets).sum()) == 1


def test_random_labels_know_nothing_of_the_function():
    add, subtract = Modular(p=31).dataset(), Modular(p=31, operation="subtract").dataset()
    data = Data(random_labels=True)
    first, second = data.split(add, 1), data.split(subtract, 1)
    assert torch.equal(first.targets, second.targets)
    assert not torch.equal(first.targets, data.split(add, 2).targets)


def test_random_labels_are_uniform_on_both_sides():
    dataset = Modular(p=31).dataset()
    n = len(dataset)
    split = Data(train_fraction=0.5, random_labels=True).split(dataset, 0)
    for side in (split.train, split.test):
        agree = int((split.targets[side] == dataset.targets[side]).sum())
        expected = len(side) / 31
        assert abs(agree - expected) < 5 * expected**0.5
    counts = torch.bincount(split.targets, minlength=31).double()
    assert torch.all((counts - n / 31).abs() < 5 * (n / 31) ** 0.5)


def test_random_labels_leave_the_split_itself_alone():
    dataset = Modular(p=11).dataset()
    plain, random = Data().split(dataset, 5), Data(random_labels=True).split(dataset, 5)
    assert torch.equal(plain.train, random.train)


@pytest.mark.parametrize(
    ("p", "fraction", "message"),
    [
        (2, 0.2, r"^data\.train_fraction: 0\.2 of 4 examples leaves 0 to train and 4 to test"),
        (2, 1.0, r"^data\.train_fraction: 1\.0 of 4 examples leaves 4 to train and 0 to test"),
    ],
)
def test_both_sides_of_a_split_need_an_example(p, fraction, message):
    with pytest.raises(ConfigError, match=message):
        Data(train_fraction=fraction).split(Modular(p=p).dataset(), 0)
