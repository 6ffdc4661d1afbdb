"""Resumed equals uninterrupted, and observing changes nothing."""

import pytest
import torch

from grokscope.engine import train
from grokscope.metrics import METRICS
from grokscope.models import MODELS
from grokscope.optim import OPTIMIZERS

BATCHES = {
    "full": {},
    "mini": {"size": 5},
    "mini with replacement": {"size": 5, "replacement": True},
    "full with replacement": {"replacement": True},
}


def lines(records):
    """Return what was measured and how it ended, as comparable data, without the clock."""
    found = []
    for record in records:
        if hasattr(record, "outcome"):
            found.append(("end", record.step, record.outcome, record.milestones, record.reason))
        elif hasattr(record, "values"):
            found.append(("row", record.step, dict(record.values), record.milestones))
    return found


def last_state(records):
    return [record.state for record in records if hasattr(record, "state")][-1]


def assert_same(left, right):
    assert left.step == right.step
    assert torch.equal(left.params, right.params)
    assert left.optimizer.keys() == right.optimizer.keys()
    for name, x in left.optimizer.items():
        assert torch.equal(x, right.optimizer[name]), name


@pytest.mark.parametrize("batch", sorted(BATCHES))
@pytest.mark.parametrize("model", sorted(MODELS))
@pytest.mark.parametrize("steps", [12, 11])
def test_going_on_from_any_state_equals_not_stopping(
    batch, model, steps, config_of, model_sections
):
    config = config_of(
        **model_sections[model],
        steps=steps,
        batch=BATCHES[batch],
        schedule={"warmup_steps": 4},
        checkpoint={"every": 1},
    )
    whole = list(train([config]))
    places = [i for i, record in enumerate(whole) if hasattr(record, "state")]
    assert [whole[i].step for i in places] == list(range(steps + 1))
    for i in places:
        rest = list(train([config], states={0: whole[i].state}))
        assert lines(rest) == lines(whole[i + 1 :]), whole[i].step
        if whole[i].step < steps:
            assert_same(last_state(rest), last_state(whole))


@pytest.mark.parametrize("kind", sorted(OPTIMIZERS))
def test_every_optimizer_goes_on_from_any_state(kind, config_of):
    short = {"window": 5} if kind == "grokfast_ma" else {}  # fills and wraps within the run
    config = config_of(optimizer={"kind": kind, "lr": 1e-2, **short}, checkpoint={"every": 1})
    whole = list(train([config]))
    for i in [i for i, record in enumerate(whole) if hasattr(record, "state")][:-1]:
        rest = list(train([config], states={0: whole[i].state}))
        assert lines(rest) == lines(whole[i + 1 :]), whole[i].step
        assert_same(last_state(rest), last_state(whole))


def test_a_longer_run_begins_like_a_shorter_one(config_of):
    short = list(train([config_of(steps=9)]))
    long = list(train([config_of(steps=14)]))
    on_schedule = [line for line in lines(short) if line[0] == "row" and line[1] < 9]
    assert on_schedule == [line for line in lines(long) if line[0] == "row" and line[1] < 9]
    gone_on = list(train([config_of(steps=14)], states={0: last_state(short)}))
    assert lines(gone_on) == [line for line in lines(long) if line[0] == "end" or line[1] > 9]
    assert_same(last_state(gone_on), last_state(long))


def test_a_state_is_a_copy(config_of):
    states, copies = [], []
    for record in train([config_of(checkpoint={"every": 1})]):
        if hasattr(record, "state"):
            states.append(record.state)
            copies.append(record.state.params.clone())
    assert all(torch.equal(s.params, c) for s, c in zip(states, copies, strict=True))
    assert not torch.equal(states[0].params, states[-1].params)


@pytest.mark.parametrize("mapped", ["loop", "batch"])
def test_a_batched_state_is_a_copy_too(mapped, config_of):
    configs = [config_of(seed=seed, checkpoint={"every": 1}) for seed in (0, 1)]
    states, copies = [], []
    for record in train(configs, mapped=mapped):
        if hasattr(record, "state"):
            states.append(record.state)
            optimizer = {name: x.clone() for name, x in record.state.optimizer.items()}
            copies.append((record.state.params.clone(), optimizer))
    for state, (params, optimizer) in zip(states, copies, strict=True):
        assert torch.equal(state.params, params)
        assert all(torch.equal(x, optimizer[name]) for name, x in state.optimizer.items())


@pytest.mark.parametrize("model", sorted(MODELS))
@pytest.mark.parametrize(
    "measure",
    [
        {"metrics": []},
        {"metrics": sorted(METRICS)},
        {"every": 1, "dense_every": 1},
        {"every": 1000, "dense_every": 1000, "transition": False},
    ],
    ids=["nothing more", "every metric", "every step", "never"],
)
@pytest.mark.parametrize("batch", ["full", "mini"])
def test_what_is_measured_does_not_change_the_bits(
    model, measure, batch, config_of, model_sections
):
    sections = model_sections[model] | {"batch": BATCHES[batch]}
    usual = last_state(train([config_of(**sections)]))
    other = last_state(train([config_of(**sections, measure=measure)]))
    assert_same(usual, other)


def test_every_metric_may_be_asked_for_in_any_order(config_of):
    names = sorted(METRICS)
    rows = []
    for order in (names, names[::-1]):
        config = config_of(measure={"metrics": order, "every": 4})
        rows.append([dict(r.values) for r in train([config]) if hasattr(r, "values")])
    assert [sorted(row.items()) for row in rows[0]] == [sorted(row.items()) for row in rows[1]]


def test_torch_is_left_as_it_was(config_of):
    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    list(train([config_of(threads=2, precision={"matmul": "bf16"})]))
    assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == before
    records = train([config_of(threads=2)])
    next(records)
    records.close()
    assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == before


def test_training_does_not_touch_the_global_random_state(config_of):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    list(train([config_of(batch={"size": 5, "replacement": True})]))
    assert torch.equal(torch.get_rng_state(), before)
