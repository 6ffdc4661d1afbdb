"""A run alone equals the same run in any cohort."""

import dataclasses
import math
import random

import pytest
import torch

from grokscope.engine import train
from grokscope.engine.loop import check_cohort
from grokscope.engine.member import Member
from grokscope.errors import ConfigError, ScienceError
from grokscope.models import MODELS
from grokscope.objectives import LOSSES, PENALTIES
from grokscope.optim import OPTIMIZERS

TOLERANCE = 1e-9  # relative, in float64
DOUBLE = {"precision": {"parameters": "float64"}}


def six(config):
    """Return the configuration at 2 learning rates and 3 seeds."""
    return [
        dataclasses.replace(
            config, seed=seed, optimizer=dataclasses.replace(config.optimizer, lr=lr)
        )
        for lr in (1e-3, 3e-2)
        for seed in (0, 1, 2)
    ]


def same_state(left, right):
    return (
        left.step == right.step
        and torch.equal(left.params, right.params)
        and left.optimizer.keys() == right.optimizer.keys()
        and all(torch.equal(x, right.optimizer[name]) for name, x in left.optimizer.items())
        and left.milestones == right.milestones
        and left.layout == right.layout
    )


def assert_same_bits(left, right):
    assert left.order == right.order
    assert left.rows == right.rows
    assert len(left.states) == len(right.states) > 0
    for a, b in zip(left.states, right.states, strict=True):
        assert same_state(a, b), a.step
    assert left.end.outcome == right.end.outcome
    assert left.end.milestones == right.end.milestones
    assert left.end.reason == right.end.reason


def assert_close(left, right):
    assert left.order == right.order
    for a, b in zip(left.states, right.states, strict=True):
        scale = torch.linalg.vector_norm(a.params)
        assert torch.linalg.vector_norm(a.params - b.params) <= TOLERANCE * scale, a.step
        for name, x in a.optimizer.items():
            limit = TOLERANCE * torch.linalg.vector_norm(x) + 1e-15
            assert torch.linalg.vector_norm(x - b.optimizer[name]) <= limit, (a.step, name)
    for (step, one), (_, other) in zip(left.rows, right.rows, strict=True):
        assert one.keys() == other.keys()
        for column, value in one.items():
            assert math.isclose(value, other[column], rel_tol=TOLERANCE, abs_tol=1e-12), (
                step,
                column,
            )


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_run_has_the_bits_of_the_run_alone(name, model_sections, config_of, trace):
    configs = six(config_of(**model_sections[name]))
    alone = [trace([config])[0] for config in configs]
    for one, other in zip(alone, trace(configs), strict=True):
        assert_same_bits(one, other)
    order = random.Random(0).sample(range(6), 6)
    shuffled = trace([configs[i] for i in order])
    for place, i in enumerate(order):
        assert_same_bits(alone[i], shuffled[place])


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_diverging_member_changes_no_other_ones_bits(name, model_sections, config_of, trace):
    configs = six(config_of(**model_sections[name]))
    wild = dataclasses.replace(configs[0].optimizer, lr=1e30)
    cohort = [configs[0], dataclasses.replace(configs[1], optimizer=wild), configs[2]]
    found = trace(cohort)
    assert found[1].end.outcome == "diverged"
    for i in (0, 2):
        assert_same_bits(trace([configs[i]])[0], found[i])


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("size", [None, 5])
def test_a_batched_step_equals_the_loop_for_every_model(
    name, size, model_sections, config_of, trace
):
    double = {"precision": {"parameters": "float64"}, "batch": {"size": size}}
    configs = six(config_of(**model_sections[name], **double))
    looped, batched = trace(configs, mapped="loop"), trace(configs, mapped="batch")
    for one, other in zip(looped, batched, strict=True):
        assert_close(one, other)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("decay_to", ["zero", "initial"])
def test_a_batched_step_equals_the_loop_for_every_optimizer(
    name, replacement, decay_to, config_of, trace
):
    # Optimizers that share the decay fields are tried with all of them, others as they are.
    fields = {field.name for field in dataclasses.fields(OPTIMIZERS[name])}
    shared = {"weight_decay": 0.3, "decay_to": decay_to, "decay_on": "weights", "clip_norm": 0.2}
    chosen = {key: value for key, value in shared.items() if key in fields}
    configs = six(
        config_of(
            precision={"parameters": "float64"},
            optimizer={"kind": name, **chosen},
            schedule={"warmup_steps": 3},
            batch={"size": 5 if replacement else None, "replacement": replacement},
        )
    )
    looped, batched = trace(configs, mapped="loop"), trace(configs, mapped="batch")
    for one, other in zip(looped, batched, strict=True):
        assert_close(one, other)


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_a_batched_step_equals_the_loop_for_every_loss(loss, config_of, trace):
    penalties = [{"kind": "l2", "weight": 0.01}]
    check_batched(config_of(**DOUBLE, loss={"kind": loss}, penalties=penalties), trace)


@pytest.mark.parametrize("penalty", sorted(PENALTIES))
def test_a_batched_step_equals_the_loop_for_every_penalty(
    penalty, config_of, model_sections, trace
):
    penalties = [{"kind": "l2", "weight": 0.02}, {"kind": penalty, "weight": 0.3}]
    warm = [{"kind": penalty, "weight": 0.3, "start_step": 2, "warmup_steps": 5}]
    found = 0
    for sections in model_sections.values():
        try:
            Member(0, config_of(**sections, penalties=penalties))
        except (ConfigError, ScienceError):
            continue  # this penalty has no meaning for this model or task, and says so
        found += 1
        check_batched(config_of(**sections, **DOUBLE, penalties=penalties + warm), trace)
    assert found


def check_batched(config, trace):
    """Compare six runs, one of them with a heavier first penalty."""
    configs = six(config)
    heavier = dataclasses.replace(configs[4].penalties[0], weight=0.5)
    configs[4] = dataclasses.replace(configs[4], penalties=(heavier, *configs[4].penalties[1:]))
    looped, batched = trace(configs, mapped="loop"), trace(configs, mapped="batch")
    for one, other in zip(looped, batched, strict=True):
        assert_close(one, other)


def test_a_batched_step_goes_on_without_members_that_ended(config_of, trace, monkeypatch):
    configs = six(config_of(precision={"parameters": "float64"}, stop="grokked", steps=14))
    wild = dataclasses.replace(configs[1].optimizer, lr=1e200)
    configs[1] = dataclasses.replace(configs[1], optimizer=wild)
    pretend_to_grok(monkeypatch, {0: 0, 3: 6})
    looped, batched = trace(configs, mapped="loop"), trace(configs, mapped="batch")
    ends = [one.end.step for one in looped]
    assert ends == [4, ends[1], 14, 12, 14, 14]
    assert looped[1].end.outcome == "diverged"
    assert ends[1] < 4
    for one, other in zip(looped, batched, strict=True):
        assert_close(one, other)


def pretend_to_grok(monkeypatch, since):
    """Make members report full test accuracy from a step on, and none before or otherwise."""

    true = Member.measure

    def measure(self, given):
        values, missing = true(self, given)
        begun = since.get(key_of(self.config))
        values["test_acc"] = float(begun is not None and self.step >= begun)
        return values, missing

    monkeypatch.setattr(Member, "measure", measure)


def key_of(config):
    """Return the place of a configuration among the six."""
    return config.seed + (3 if config.optimizer.lr > 1e-2 else 0)


def test_members_that_stand_at_different_steps_are_not_mixed_up(config_of, trace):
    # A batched step has one step number; members elsewhere need their own or must be refused.
    configs = six(
        config_of(
            precision={"parameters": "float64"},
            schedule={"warmup_steps": 8},
            checkpoint={"every": 1},
        )
    )[:3]
    whole = trace(configs, mapped="loop")
    states = {0: whole[0].states[2], 1: whole[1].states[7]}
    try:
        found = trace(configs, states=states, mapped="batch")
    except ConfigError as error:
        assert "step" in str(error)  # noqa: PT017 - refusing is as good as being right
        return
    for one, other in zip(whole, found, strict=True):
        a, b = one.states[-1], other.states[-1]
        assert a.step == b.step
        assert torch.allclose(a.params, b.params, rtol=TOLERANCE, atol=0)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"steps": 13}, "steps"),
        ({"model": {"kind": "mlp", "width": 7}}, r"model\.width"),
        ({"model": {"kind": "transformer"}}, r"model\."),
        ({"task": {"kind": "modular", "p": 7}}, r"task\.p"),
        ({"optimizer": {"kind": "sgd"}}, r"optimizer\."),
        ({"optimizer": {"kind": "adamw", "betas": [0.9, 0.98]}}, r"optimizer\.betas"),
        ({"penalties": [{"kind": "l2"}]}, "penalties"),
        ({"measure": {"metrics": []}}, r"measure\."),
        ({"device": "cuda"}, "device"),
    ],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_configurations_that_form_no_cohort_are_refused_by_field(change, field, swapped, config_of):
    configs = [config_of(), config_of(**change)]
    if swapped:
        configs.reverse()
    with pytest.raises(ConfigError, match=rf"^{field}.*in run 1 of the cohort.*run 0") as error:
        check_cohort(configs)
    one, other = str(error.value).split(" in run 1 of the cohort, ")
    assert one.partition(": ")[2] != other.partition(" in run 0")[0]


def test_labels_and_per_run_fields_may_differ(config_of):
    configs = six(config_of())
    configs[0] = dataclasses.replace(configs[0], name="a", notes="b", tags=("c",))
    check_cohort(configs)


def test_a_cohort_of_none_is_refused():
    with pytest.raises(ConfigError, match="at least one configuration"):
        list(train([]))


def test_a_cohort_that_is_refused_trains_nothing(config_of):
    records = train([config_of(), config_of(steps=13)])
    with pytest.raises(ConfigError, match=r"^steps: "):
        next(records)


KINDS_OF_ANSWER = {
    "several": {
        "task": {"kind": "sequence", "size": 3, "length": 2, "examples": None},
        "model": {"kind": "transformer", "d_model": 8, "num_heads": 2, "d_mlp": 8},
    },
    "real": {
        "task": {"kind": "teacher", "d": 4, "examples": 20},
        "model": {"kind": "linear"},
        "loss": {"kind": "mse"},
    },
    "features": {
        "task": {"kind": "parity", "n": 4, "k": 2, "examples": None},
        "model": {"kind": "mlp", "width": 6},
        "loss": {"kind": "hinge"},
    },
}


@pytest.mark.parametrize("answers", sorted(KINDS_OF_ANSWER))
@pytest.mark.parametrize("size", [None, 5])
def test_a_batched_step_equals_the_loop_for_every_kind_of_answer(answers, size, config_of, trace):
    double = {"precision": {"parameters": "float64"}, "batch": {"size": size}}
    configs = six(config_of(**KINDS_OF_ANSWER[answers], **double))
    looped, batched = trace(configs, mapped="loop"), trace(configs, mapped="batch")
    for one, other in zip(looped, batched, strict=True):
        assert_close(one, other)
