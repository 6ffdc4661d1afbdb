"""A signal ends a run at a step boundary with a state, and it goes on from there."""

import json
import signal

import pytest
import torch

import grokscope
from grokscope.store import checkpoint

ENDLESS = ["task.p=5", "model.width=6", "data.train_fraction=0.5", "stop=never", "threads=1"]
SIGNALS = [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)]

pytestmark = pytest.mark.slow


def begin(process, out, *options):
    """Start an endless run and return it once it has begun to train."""
    one = process(
        "train", "quick", *ENDLESS, "steps=100000000", "--out", out, "--name", "cut", *options
    )
    first = one.stderr.readline()
    assert first.startswith("step       0 "), first + one.stderr.read()
    return one


def assert_equals_uninterrupted(run, out, *options):
    """Go on for some steps and compare with a run of that length that was never stopped."""
    steps = (run.steps[-1] if run.steps else 0) + 25
    done = grokscope.resume(run, [f"steps={steps}"])
    overrides = [*ENDLESS, *options, f"steps={steps}"]
    whole = grokscope.train("quick", overrides, out=out, name="whole")
    left, right = (checkpoint.read(one.path, steps) for one in (done, whole))
    for name, x in left.params.items():
        assert torch.equal(x, right.params[name]), name
    for name, x in left.optimizer.items():
        assert torch.equal(x, right.optimizer[name]), name
    contents = [(one.path / "history.parquet").read_bytes() for one in (done, whole)]
    assert contents[0] == contents[1]
    assert done.verify() == []


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_ends_a_run_with_a_state_to_go_on_from(process, tmp_path, number, code):
    one = begin(process, tmp_path)
    one.send_signal(number)
    out, err = one.communicate(timeout=120)
    assert one.returncode == code, err
    assert out == ""
    assert "Traceback" not in err
    run = grokscope.open(tmp_path / "cut")
    assert run.status["state"] == "interrupted"
    assert run.status["step"] == run.steps[-1]
    assert run.verify() == []
    words = [line for line in err.splitlines() if not line.startswith("step")]
    assert words == [
        f"stopped at step {run.steps[-1]:,}; go on with",
        f"  grokscope resume {run.path}",
    ]
    assert_equals_uninterrupted(run, tmp_path)


def test_an_interrupted_run_is_one_json_object(process, tmp_path):
    one = begin(process, tmp_path, "--json")
    one.send_signal(signal.SIGTERM)
    out, _ = one.communicate(timeout=120)
    assert one.returncode == 75
    facts = json.loads(out)
    assert facts["state"] == "interrupted"
    assert facts["steps"] == grokscope.open(tmp_path / "cut").steps[-1]


def test_a_killed_process_leaves_a_run_that_goes_on(process, tmp_path):
    one = begin(process, tmp_path, "checkpoint.every=7")
    one.kill()
    one.communicate(timeout=120)
    assert one.returncode == -signal.SIGKILL
    assert_equals_uninterrupted(grokscope.open(tmp_path / "cut"), tmp_path, "checkpoint.every=7")
