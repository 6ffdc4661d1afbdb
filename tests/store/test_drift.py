import json

import pytest

import grokscope
from grokscope.errors import ConfigError, DivergedError
from grokscope.metrics import METRICS, metric
from grokscope.store.provenance import drift

SMALL = ["task.p=7", "model.width=8", "stop=never"]


@pytest.fixture
def run(tmp_path):
    return grokscope.train("quick", [*SMALL, "steps=20"], out=tmp_path, name="run")


def alter(run, **changes):
    path = run.path / "provenance.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("name", "was"),
    [("code_hash", "0"), ("device", "mps"), ("split_hash", "0"), ("cpu_capability", "none")],
)
def test_another_condition_is_refused_with_the_old_and_the_new_value(run, name, was):
    now = run.provenance[name]
    alter(run, **{name: was})
    before = {p: p.read_bytes() for p in run.path.rglob("*") if p.is_file()}
    with pytest.raises(ConfigError, match=rf"{name} was {was}, is {now}.*--allow-drift"):
        grokscope.resume(run, ["steps=+10"])
    assert {p: p.read_bytes() for p in run.path.rglob("*") if p.is_file()} == before


def test_another_version_of_pytorch_is_refused(run):
    alter(run, packages={**run.provenance["packages"], "torch": "1.0"})
    with pytest.raises(ConfigError, match=r"torch was 1\.0, is "):
        grokscope.resume(run, ["steps=+10"])


def test_allowed_drift_is_recorded_with_its_step(run):
    alter(run, device="mps")
    longer = grokscope.resume(run, ["steps=+10"], allow_drift=True)
    assert longer.status["step"] == 30
    (told,) = longer.provenance["drift"]
    assert told["step"] == 20
    assert told["changes"] == ["device was mps, is cpu"]
    assert grokscope.resume(longer, ["steps=+10"]).provenance["drift"] == [told]
    assert longer.verify() == []


def test_nothing_has_drifted_on_the_same_machine(run):
    assert drift(run.provenance, run.provenance) == []


def test_a_diverged_run_leaves_its_diagnosis(tmp_path):
    with pytest.raises(DivergedError, match=r"objective is nan at step .*diagnosis\.json"):
        grokscope.train("quick", [*SMALL, "optimizer.lr=1e30"], out=tmp_path, name="run")
    diagnosis = json.loads((tmp_path / "run" / "diagnosis.json").read_text())
    assert diagnosis["lr"] == 1e30
    assert diagnosis["objective"] == "nan"
    assert diagnosis["last_rows"][0]["step"] == 0
    assert grokscope.open(tmp_path / "run").outcome == "diverged"


def test_a_metric_that_fails_is_missing_with_its_reason_and_training_goes_on(
    run, tmp_path, monkeypatch
):
    monkeypatch.setattr(METRICS, "_parts", dict(METRICS._parts))

    @metric(label="Broken", group="Tests")
    def broken(snapshot):
        raise RuntimeError("needs 40 GB")

    more = 'measure.metrics=["broken", "weight_norm"]'
    found = grokscope.train("quick", [*SMALL, "steps=20", more], out=tmp_path, name="broken")
    assert found.status["missing"] == {"broken": "RuntimeError: needs 40 GB"}
    assert "broken" not in found.history.columns
    assert found.history["weight_norm"].null_count() == 0
    for file in ("model.safetensors", "optimizer.safetensors"):
        at = f"checkpoints/step_000000020/{file}"
        assert (found.path / at).read_bytes() == (run.path / at).read_bytes()


def test_resuming_a_run_with_nothing_left_to_do_touches_nothing(run):
    before = {p: p.read_bytes() for p in run.path.rglob("*") if p.is_file()}
    again = grokscope.resume(run)
    assert again.status["last"] == run.status["last"] != {}
    assert {p: p.read_bytes() for p in run.path.rglob("*") if p.is_file()} == before


def test_a_finished_run_with_a_damaged_checkpoint_is_mended_and_keeps_its_last_values(run):
    model = run.path / "checkpoints" / "step_000000020" / "model.safetensors"
    sound, last = model.read_bytes(), run.status["last"]
    model.write_bytes(sound[:-1] + b"x")
    mended = grokscope.resume(run)
    assert model.read_bytes() == sound
    assert mended.status["last"] == last
    assert mended.verify() == []


def test_a_metric_too_large_for_the_machine_is_refused_and_training_goes_on(
    run, tmp_path, monkeypatch
):
    monkeypatch.setattr(METRICS, "_parts", dict(METRICS._parts))

    @metric(label="Huge", group="Tests", needs=lambda snapshot: 10**16)
    def huge(snapshot):
        raise AssertionError("was begun")

    config = [*SMALL, "steps=20", "measure.metrics=[huge]"]
    found = grokscope.train("quick", config, out=tmp_path, name="huge")
    assert found.status["missing"]["huge"].startswith("TooLargeError: huge: needs about 10000000.0")
    assert found.status["state"] == "finished"
    assert "huge" not in found.history.columns
    assert found.history["train_loss"].to_list() == run.history["train_loss"].to_list()
