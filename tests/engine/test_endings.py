import math

import pytest
import torch

from grokscope.engine import Finished, Measured, Saved, train
from grokscope.engine.member import Member


@pytest.fixture
def pretend(monkeypatch):
    """Return a function that makes every run report planned accuracies: step to (train, test)."""
    true = Member.measure

    def plan(accuracies):
        def measure(self, given):
            values, missing = true(self, given)
            values["train_acc"], values["test_acc"] = accuracies(self.step)
            return values, missing

        monkeypatch.setattr(Member, "measure", measure)

    return plan


def last(records):
    records = list(records)
    assert isinstance(records[-1], Finished)
    assert not any(isinstance(record, Finished) for record in records[:-1])
    return records[-1], records


def test_a_run_ends_at_the_third_evaluation_in_a_row(pretend, config_of):
    pretend(lambda step: (1.0, float(step in (2, 3) or step >= 6)))
    config = config_of(stop="grokked", steps=50, measure={"every": 1, "dense_every": 1})
    end, records = last(train([config]))
    assert (end.step, end.outcome) == (8, "grokked")
    assert end.milestones.grokked_at == 6
    assert end.milestones.memorized_at == 0
    assert not end.interrupted
    assert max(r.step for r in records if isinstance(r, Saved)) == 8


def test_a_run_may_go_on_after_grokking(pretend, config_of):
    pretend(lambda step: (1.0, 1.0))
    end, _ = last(train([config_of(stop="never", steps=12)]))
    assert (end.step, end.outcome) == (12, "grokked")
    assert end.milestones.grokked_at == 0


@pytest.mark.parametrize(
    ("accuracies", "outcome", "memorized_at"),
    [
        (lambda step: (0.5, 0.2), "unfinished", None),
        (lambda step: (float(step >= 4), 0.2), "memorized", 4),
        (lambda step: (1.0, float(step == 12)), "memorized", 0),
    ],
)
def test_the_outcome_says_how_far_a_run_came(pretend, config_of, accuracies, outcome, memorized_at):
    pretend(accuracies)
    end, _ = last(train([config_of(stop="grokked")]))
    assert (end.step, end.outcome) == (12, outcome)
    assert end.milestones.memorized_at == memorized_at


def test_the_last_step_is_saved_and_measured_off_schedule(config_of):
    _, records = last(train([config_of(steps=11)]))
    assert [r.step for r in records if isinstance(r, Measured)] == [0, 2, 4, 8, 11]
    assert [r.step for r in records if isinstance(r, Saved)] == [0, 3, 5, 10, 11]
    kinds = [type(r) for r in records if r.step == 11]
    assert kinds == [Saved, Measured, Finished]


def test_the_last_step_is_saved_and_measured_once_on_schedule(config_of):
    _, records = last(train([config_of(steps=20, checkpoint={"every": 10, "early": []})]))
    assert [type(r) for r in records if r.step == 20] == [Measured, Saved, Finished]


@pytest.mark.parametrize("mapped", ["loop", "batch"])
def test_a_diverged_run_says_so_and_leaves_only_finite_rows(config_of, mapped):
    config = config_of(optimizer={"kind": "sgd", "lr": 1e30}, checkpoint={"every": 1})
    end, records = last(train([config], mapped=mapped))
    assert end.outcome == "diverged"
    assert end.reason == f"the objective is {end.reason.split()[3]} at step {end.step}"
    assert not math.isfinite(float(end.reason.split()[3]))
    assert not end.interrupted
    assert 0 < end.step <= 12
    for record in records[:-1]:
        assert record.step < end.step
        if isinstance(record, Saved):
            assert torch.isfinite(record.state.params).all()
        if isinstance(record, Measured):
            assert math.isfinite(record.values["train_loss"])


def test_weights_that_blow_up_in_the_last_update_are_no_success(config_of):
    # The last update is checked too: the loss after it is computed before the run may end.
    config = config_of(steps=1, optimizer={"kind": "sgd", "lr": 1e38})
    end, records = last(train([config]))
    assert (end.step, end.outcome) == (1, "diverged")
    assert [r.step for r in records if isinstance(r, Saved)] == [0]


@pytest.mark.parametrize("calls", [1, 2, 7, 12])
def test_a_request_to_stop_ends_the_run_at_that_boundary_with_a_state(config_of, calls):
    asked = []

    def stop_requested():
        asked.append(None)
        return len(asked) == calls

    config = config_of()
    end, records = last(train([config], stop_requested=stop_requested))
    assert len(asked) == calls
    assert end.step == calls - 1
    assert end.interrupted
    saved = [record.state for record in records if isinstance(record, Saved)]
    assert saved[-1].step == end.step
    whole = [record for record in train([config]) if isinstance(record, Saved)][-1].state
    rest = train([config], states={0: saved[-1]})
    state = [record for record in rest if isinstance(record, Saved)][-1].state
    assert torch.equal(state.params, whole.params)


def test_a_request_to_stop_at_the_end_does_not_count_as_an_interruption(config_of):
    asked = []

    def stop_requested():
        asked.append(None)
        return len(asked) == 13

    end, _ = last(train([config_of()], stop_requested=stop_requested))
    assert end.step == 12
    assert not end.interrupted


def test_a_request_to_stop_leaves_no_member_without_an_end(config_of):
    configs = [config_of(seed=seed) for seed in range(3)]
    for mapped in ("loop", "batch"):
        records = list(train(configs, mapped=mapped, stop_requested=lambda: True))
        ends = [record for record in records if isinstance(record, Finished)]
        assert [(end.member, end.step, end.interrupted) for end in ends] == [
            (0, 0, True),
            (1, 0, True),
            (2, 0, True),
        ]


def test_seconds_never_go_back(config_of):
    records = list(train([config_of()]))
    times = [r.seconds for r in records if isinstance(r, (Measured, Finished))]
    assert times == sorted(times)
    state = next(r.state for r in records if isinstance(r, Saved) and r.step == 5)
    rest = [r for r in train([config_of()], states={0: state}) if isinstance(r, Measured)]
    assert rest[0].seconds > state.seconds
