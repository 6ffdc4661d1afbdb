"""A run that was stopped, killed, damaged or extended ends up as if nothing had happened."""

import json
import shutil

import pytest
import torch

import grokscope
from grokscope.engine import Measured, Saved
from grokscope.errors import ConfigError, NoValidStateError
from grokscope.store import checkpoint, history, writer


class Killed(BaseException):
    """Ends a run without letting it put anything in order."""


def kill_at(step, kind):
    """Return an observer that ends the run at the first record of a kind from a step on."""

    def observe(record):
        if isinstance(record, kind) and record.step >= step:
            raise Killed

    return observe


def stop_after(calls):
    asked = []

    def stop_requested():
        asked.append(None)
        return len(asked) > calls

    return stop_requested


def assert_same_end(path, other):
    """Compare final weights, optimizer, the facts of the last checkpoint, and the history."""
    left, right = (checkpoint.read(p, checkpoint.steps(p)[-1]) for p in (path, other))
    assert left.step == right.step
    for name, x in left.params.items():
        assert torch.equal(x, right.params[name]), name
    for name, x in left.optimizer.items():
        assert torch.equal(x, right.optimizer[name]), name
    for fact in ("milestones", "rows"):
        assert left.facts[fact] == right.facts[fact], fact
    contents = [(p / "history.parquet").read_bytes() for p in (path, other)]
    assert history.read(path, "history").equals(history.read(other, "history"), null_equal=True)
    assert contents[0] == contents[1]
    assert grokscope.open(path).verify() == []


BATCHES = {
    "full": [],
    "mini": ["batch.size=4"],
    "with replacement": ["batch={size: 4, replacement: true}"],
}


@pytest.mark.parametrize("batch", sorted(BATCHES))
@pytest.mark.parametrize("calls", [0, 5, 6, 20, 23])
def test_an_interrupted_run_goes_on_to_the_same_end(tmp_path, small_config, batch, calls):
    config = small_config(*BATCHES[batch])
    whole = grokscope.train(config, out=tmp_path, name="whole")
    run = grokscope.train(config, out=tmp_path, name="cut", stop_requested=stop_after(calls))
    assert run.status["state"] == "interrupted"
    assert run.status["step"] == calls
    assert run.steps[-1] == calls
    assert run.verify() == []
    done = grokscope.resume(run)
    assert done.status["state"] == "finished"
    assert_same_end(done.path, whole.path)


def test_a_run_interrupted_again_and_again_ends_the_same(tmp_path, small_config, finished):
    run = grokscope.train(small_config(), out=tmp_path, name="cut", stop_requested=stop_after(3))
    times = 1
    while run.status["state"] == "interrupted":
        run = grokscope.resume(run, stop_requested=stop_after(3))
        times += 1
    assert times > 10
    assert_same_end(run.path, finished)


@pytest.mark.parametrize("kind", [Measured, Saved])
@pytest.mark.parametrize("step", [0, 5, 10, 15, 20, 30, 40])
def test_a_killed_run_goes_on_to_the_same_end(tmp_path, small_config, finished, kind, step):
    with pytest.raises(Killed):
        grokscope.train(small_config(), out=tmp_path, name="cut", observer=kill_at(step, kind))
    done = grokscope.resume(tmp_path / "cut")
    assert_same_end(done.path, finished)


def test_a_run_killed_again_while_it_goes_on_ends_the_same(tmp_path, small_config, finished):
    with pytest.raises(Killed):
        grokscope.train(small_config(), out=tmp_path, name="cut", observer=kill_at(10, Measured))
    for step in (10, 20, 30, 40):
        with pytest.raises(Killed):
            grokscope.resume(tmp_path / "cut", observer=kill_at(step, Measured))
    assert_same_end(grokscope.resume(tmp_path / "cut").path, finished)


@pytest.mark.parametrize("steps", [20, 23, 37])
@pytest.mark.parametrize("spelling", ["+", "="])
def test_an_extended_run_equals_one_that_was_long_from_the_start(
    tmp_path, small_config, finished, steps, spelling
):
    run = grokscope.train(small_config(f"steps={steps}"), out=tmp_path, name="short")
    more = f"steps=+{40 - steps}" if spelling == "+" else "steps=40"
    done = grokscope.resume(run, [more])
    assert done.config.steps == 40
    assert_same_end(done.path, finished)


def test_a_run_killed_while_it_is_extended_is_not_taken_for_finished(
    tmp_path, small_config, finished, monkeypatch
):
    run = grokscope.train(small_config("steps=23"), out=tmp_path, name="short")
    write_file = writer.write_file

    def die_after_the_configuration(path, content):
        write_file(path, content)
        if path.name == "config.yaml":
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(writer, "write_file", die_after_the_configuration)
        with pytest.raises(Killed):
            grokscope.resume(run, ["steps=40"])
    assert_same_end(grokscope.resume(run.path, ["steps=40"]).path, finished)


def test_extending_twice_and_by_interruption_ends_the_same(tmp_path, small_config, finished):
    run = grokscope.train(small_config("steps=13"), out=tmp_path, name="short")
    run = grokscope.resume(run, ["steps=+4"])
    run = grokscope.resume(run, ["steps=40"], stop_requested=stop_after(7))
    assert run.status["state"] == "interrupted"
    assert_same_end(grokscope.resume(run).path, finished)


def test_resuming_a_finished_run_changes_nothing_that_was_measured(run_path, finished):
    done = grokscope.resume(run_path)
    assert done.status["outcome"] == grokscope.open(finished).status["outcome"]
    assert_same_end(done.path, finished)


def test_resuming_a_run_that_ended_off_schedule_keeps_its_last_row(tmp_path, small_config):
    run = grokscope.train(small_config("steps=23"), out=tmp_path, name="short")
    before = (run.path / "history.parquet").read_bytes()
    assert run.history["step"].to_list()[-1] == 23
    assert (grokscope.resume(run).path / "history.parquet").read_bytes() == before


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("seed=3", "^seed: only steps may change when a run goes on"),
        ("optimizer.lr=1", r"^optimizer\.lr: only steps may change"),
        ("steps=20", "^steps: the run is already at step 40"),
        ("steps=abc", "^steps: expected a valid integer"),
        ("steps=+0.5", "^steps: expected a valid integer"),
        ("steps", "expected path=value"),
    ],
)
def test_nothing_but_more_steps_may_change(run_path, finished, override, expected):
    with pytest.raises(ConfigError, match=expected):
        grokscope.resume(run_path, [override])
    assert (run_path / "config.yaml").read_bytes() == (finished / "config.yaml").read_bytes()
    assert grokscope.open(run_path).verify() == []


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_used(run_path, finished, name):
    newest = checkpoint.directory(run_path, 40)
    content = bytearray((newest / name).read_bytes())
    content[len(content) // 2] ^= 1
    (newest / name).write_bytes(content)
    steps = []
    grokscope.resume(run_path, observer=lambda record: steps.append(record.step))
    assert steps[0] == 25 or steps[0] == 30
    assert_same_end(run_path, finished)
    aside = run_path / "checkpoints" / "damaged_step_000000040_0"
    assert (aside / name).read_bytes() == bytes(content)


def test_a_run_with_all_its_checkpoints_damaged_is_left_alone(run_path):
    for step in checkpoint.steps(run_path):
        (checkpoint.directory(run_path, step) / "model.safetensors").write_bytes(b"")
    before = sorted(path for path in run_path.rglob("*"))
    with pytest.raises(NoValidStateError, match="no valid checkpoint is left"):
        grokscope.resume(run_path)
    after = sorted(path for path in run_path.rglob("*") if path.name != ".lock")
    assert after == [path for path in before if path.name != ".lock"]


def test_a_damaged_newest_segment_falls_back_to_the_rows_before_it(
    tmp_path, small_config, finished
):
    with pytest.raises(Killed):
        grokscope.train(small_config(), out=tmp_path, name="cut", observer=kill_at(30, Measured))
    newest = sorted((tmp_path / "cut" / "history").iterdir())[-1]
    newest.write_bytes(newest.read_bytes()[:-20])
    assert_same_end(grokscope.resume(tmp_path / "cut").path, finished)


def test_a_run_without_any_checkpoint_starts_anew(tmp_path, small_config, finished):
    with pytest.raises(Killed):
        grokscope.train(small_config(), out=tmp_path, name="cut", observer=kill_at(0, Measured))
    assert checkpoint.steps(tmp_path / "cut") == []
    assert_same_end(grokscope.resume(tmp_path / "cut").path, finished)


def test_the_history_does_not_depend_on_the_clock(tmp_path, small_config, finished):
    run = grokscope.train(small_config(), out=tmp_path, name="again")
    assert_same_end(run.path, finished)
    assert "seconds" not in history.read(run.path, "history").columns
    clock = history.read(run.path, "clock")
    assert clock["step"].to_list() == run.history["step"].to_list()


def test_a_killed_run_says_that_it_failed(tmp_path, small_config):
    with pytest.raises(Killed):
        grokscope.train(small_config(), out=tmp_path, name="cut", observer=kill_at(10, Measured))
    status = json.loads((tmp_path / "cut" / "status.json").read_bytes())
    assert status["state"] == "failed"
    assert grokscope.open(tmp_path / "cut").outcome == "running"
    shutil.rmtree(tmp_path / "cut")
