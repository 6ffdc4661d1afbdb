import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grokscope.config import Batch, CheckpointSchedule, MeasureSchedule
from grokscope.engine import Milestones
from grokscope.engine.batches import batch_rows
from grokscope.engine.milestones import IN_A_ROW, LEVEL, MARGIN
from grokscope.engine.schedule import measure_due, save_due
from grokscope.ops import crossings

PLATEAU = 0.3
BEFORE = Milestones(test_acc=0.3)
DURING = Milestones(test_acc=0.8)
AFTER = Milestones(test_acc=1.0, grokked_at=5)
LENGTH = 60


def counted(every, length=LENGTH):
    """Return the steps 0, every, 2·every, … by counting."""
    found, step = set(), 0
    while step < length:
        found.add(step)
        step += every
    return found


@pytest.mark.parametrize("milestones", [BEFORE, DURING, AFTER])
@pytest.mark.parametrize("transition", [False, True])
@pytest.mark.parametrize(
    ("every", "dense_every", "dense_until"), [(10, 2, 20), (7, 3, 0), (5, 5, 11), (4, 6, 25)]
)
def test_measuring_is_dense_early_and_in_transition(
    milestones, transition, every, dense_every, dense_until
):
    schedule = MeasureSchedule(
        every=every, dense_every=dense_every, dense_until=dense_until, transition=transition
    )
    found = {s for s in range(LENGTH) if measure_due(s, schedule, milestones, PLATEAU)}
    if transition and milestones is DURING:
        expected = counted(dense_every)
    else:
        early = {s for s in counted(dense_every) if s <= dense_until}
        expected = early | {s for s in counted(every) if s > dense_until}
    assert found == expected


@pytest.mark.parametrize("milestones", [BEFORE, DURING, AFTER])
@pytest.mark.parametrize(("every", "transition_every"), [(20, 5), (5, 20), (7, 7)])
@pytest.mark.parametrize("early", [(), (0, 1, 3), (41,)])
def test_saving_is_early_regular_and_denser_in_transition(
    milestones, every, transition_every, early
):
    schedule = CheckpointSchedule(every=every, transition_every=transition_every, early=early)
    found = {s for s in range(LENGTH) if save_due(s, schedule, milestones, PLATEAU)}
    shortest = min(every, transition_every) if milestones is DURING else every
    assert found == counted(shortest) | set(early)


def test_the_transition_begins_above_the_plateau_and_ends_with_grokking():
    for accuracy in (0.0, PLATEAU, PLATEAU + MARGIN):
        assert not Milestones(test_acc=accuracy).in_transition(PLATEAU)
    assert Milestones(test_acc=PLATEAU + MARGIN + 1e-9).in_transition(PLATEAU)
    assert not Milestones(test_acc=0.9, grokked_at=0).in_transition(PLATEAU)


accuracies = st.sampled_from([0.0, 0.5, 0.98, 0.99, 0.995, 1.0])
curves = st.lists(st.tuples(st.integers(1, 9), accuracies, accuracies), max_size=30)


@given(curves)
@settings(max_examples=200, deadline=None)
def test_milestones_are_the_crossings_of_the_whole_curve(curve):
    steps = list(itertools.accumulate(gap for gap, _, _ in curve))
    train = [a for _, a, _ in curve]
    test = [b for _, _, b in curve]
    found = Milestones()
    for step, a, b in zip(steps, train, test, strict=True):
        found = found.update(step, a, b)
    assert found.memorized_at == crossings.first(steps, train, LEVEL)
    assert found.grokked_at == crossings.sustained(steps, test, LEVEL, k=IN_A_ROW)
    assert found.test_acc == (test[-1] if test else 0.0)
    if found.grokked_at is not None:
        assert found.outcome == "grokked"
    else:
        assert found.outcome == ("unfinished" if found.memorized_at is None else "memorized")


@pytest.mark.parametrize(("n", "size"), [(12, 5), (12, 4), (12, 12), (12, 30), (1, 1), (7, 1)])
def test_without_replacement_each_pass_is_a_permutation(n, size):
    steps = -(-n // min(size, n))
    passes = []
    for epoch in range(4):
        rows = [batch_rows(Batch(size=size), n, 3, epoch * steps + i) for i in range(steps)]
        assert all(0 < len(part) <= size for part in rows)
        joined = torch.cat(rows).tolist()
        assert sorted(joined) == list(range(n))
        passes.append(tuple(joined))
    if n > 6:
        assert len(set(passes)) == 4


def test_with_replacement_every_batch_has_its_size_and_range():
    batch = Batch(size=5, replacement=True)
    rows = [batch_rows(batch, 12, 3, step) for step in range(200)]
    assert all(len(part) == 5 for part in rows)
    joined = torch.cat(rows)
    assert joined.dtype == torch.int64
    assert sorted(set(joined.tolist())) == list(range(12))
    assert any(len(set(part.tolist())) < 5 for part in rows)


@pytest.mark.parametrize("batch", [Batch(size=5), Batch(size=5, replacement=True)])
def test_a_batch_is_a_function_of_seed_and_step(batch):
    steps = range(12)
    forward = [batch_rows(batch, 12, 3, step).tolist() for step in steps]
    backward = [batch_rows(batch, 12, 3, step).tolist() for step in reversed(steps)][::-1]
    assert forward == backward
    assert forward != [batch_rows(batch, 12, 4, step).tolist() for step in steps]
    assert len({tuple(rows) for rows in forward}) > 6


def test_a_null_size_takes_everything():
    assert sorted(batch_rows(Batch(), 9, 0, 0).tolist()) == list(range(9))
    assert len(batch_rows(Batch(replacement=True), 9, 0, 0)) == 9
