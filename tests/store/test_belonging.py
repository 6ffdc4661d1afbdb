"""What is sound in itself and of another run is not taken for this run's own."""

import hashlib
import json
import shutil

import pytest

import grokscope
from grokscope.errors import NoValidStateError
from grokscope.store import belonging, checkpoint, history


@pytest.fixture(scope="module")
def other(tmp_path_factory, small_config):
    """Return the directory of a finished run with another seed; nobody may change it."""
    out = tmp_path_factory.mktemp("other")
    return grokscope.train(small_config("seed=7"), out=out, name="run").path


@pytest.fixture
def stopped(tmp_path, small_config):
    """Return a function that makes a run that was stopped at step 23, with segments."""

    def make(name, *overrides):
        asked = []

        def stop_requested():
            asked.append(None)
            return len(asked) > 23

        config = small_config(*overrides)
        run = grokscope.train(config, out=tmp_path, name=name, stop_requested=stop_requested)
        return run.path

    return make


def replace(path, source):
    if path.is_dir():
        shutil.rmtree(path)
        shutil.copytree(source, path)
    else:
        shutil.copy(source, path)


def test_a_chain_is_hashed_as_its_words_say():
    rows = [{"step": 0, "loss": 0.5}, {"step": 10, "loss": float("nan"), "acc": None}]
    first = hashlib.sha256(b"\nloss 0x1.0000000000000p-1\nstep 0x0.0p+0").hexdigest()
    second = hashlib.sha256(f"{first}\nloss nan\nstep 0x1.4000000000000p+3".encode()).hexdigest()
    assert belonging.chain(rows) == ["", first, second]


@pytest.mark.parametrize(
    "row",
    [
        {"step": 1, "a": 1.0},
        {"step": 0, "a": 1.0 + 2**-52},
        {"step": 0, "b": 1.0},
        {"step": 0},
        {"step": 0, "a": -1.0},
        {"step": 0, "a": float("nan")},
    ],
)
def test_every_change_of_a_row_changes_all_links_after_it(row):
    sound, last = {"step": 0, "a": 1.0}, {"step": 2, "a": 0.0}
    left, right = belonging.chain([sound, last]), belonging.chain([row, last])
    assert left[0] == right[0]
    assert left[1] != right[1]
    assert left[2] != right[2]


def test_a_checkpoint_knows_its_configuration_and_the_link_of_its_rows(finished):
    links = belonging.chain(history.read(finished, "history").iter_rows(named=True))
    known = grokscope.open(finished).provenance["config_hash"]
    for step in checkpoint.steps(finished):
        facts = checkpoint.facts(finished, step)
        assert facts["history_hash"] == links[facts["rows"]]
        assert facts["config_hash"] == known


STRANGE = {
    "checkpoint": ["checkpoints/step_000000040"],
    "early checkpoint": ["checkpoints/step_000000005"],
    "history": ["history.parquet", "history.sha256"],
    "identity": ["config.yaml", "provenance.json"],
}


@pytest.mark.parametrize("names", STRANGE.values(), ids=STRANGE)
def test_what_is_of_another_run_is_named_and_changes_nothing(run_path, other, names):
    for name in names:
        replace(run_path / name, other / name)
    problems = grokscope.open(run_path).verify()
    assert problems
    assert all(len(line.splitlines()) == 1 and str(run_path) in line for line in problems)
    words = "of another configuration|does not follow from the first"
    with pytest.raises(NoValidStateError, match=words):
        raise NoValidStateError(problems[0])


def test_a_snapshot_of_another_run_is_refused(run_path, other):
    name = "checkpoints/step_000000040"
    replace(run_path / name, other / name)
    with pytest.raises(NoValidStateError, match="step_000000040: is of another configuration"):
        grokscope.open(run_path).snapshot()
    assert grokscope.open(run_path).snapshot(20).step == 20


def test_a_history_of_another_run_is_not_read(run_path, other):
    for name in STRANGE["history"]:
        replace(run_path / name, other / name)
    with pytest.raises(NoValidStateError, match="does not follow from the first 6 rows"):
        _ = grokscope.open(run_path).history


def test_a_run_goes_on_from_before_a_checkpoint_of_another(run_path, finished, other):
    name = "checkpoints/step_000000040"
    replace(run_path / name, other / name)
    done = grokscope.resume(run_path)
    assert done.verify() == []
    aside = run_path / "checkpoints" / "damaged_step_000000040_0" / "model.safetensors"
    assert aside.read_bytes() == (other / name / "model.safetensors").read_bytes()
    ours, whole = checkpoint.read(run_path, 40), checkpoint.read(finished, 40)
    assert ours.facts["history_hash"] == whole.facts["history_hash"]


def test_a_run_goes_on_from_before_a_segment_of_another_and_keeps_it(stopped, finished):
    ours, theirs = (stopped(name, seed) for name, seed in (("a", "seed=0"), ("b", "seed=1")))
    files = [sorted((run / "history").glob("rows_*")) for run in (ours, theirs)]
    (mine, foreign), content = (files[0][-1], files[1][-1]), files[1][-1].read_bytes()
    mine.unlink()
    shutil.copy(foreign, ours / "history")
    done = grokscope.resume(ours)
    assert done.verify() == []
    assert (ours / "history.parquet").read_bytes() == (finished / "history.parquet").read_bytes()
    kept = [p.read_bytes() for p in ours.rglob("*") if p.is_file() and "replaced" in p.name]
    assert content in kept


def test_a_checkpoint_from_before_there_were_links_is_read(run_path):
    folder = checkpoint.directory(run_path, 40)
    facts = json.loads((folder / "state.json").read_bytes())
    del facts["history_hash"], facts["config_hash"]
    (folder / "state.json").write_text(json.dumps(facts))
    manifest = json.loads((folder / "manifest.json").read_bytes())
    digest = hashlib.sha256((folder / "state.json").read_bytes()).hexdigest()
    manifest["sha256"]["state.json"] = digest
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert grokscope.open(run_path).verify() == []


def test_an_allowed_drift_of_the_configuration_keeps_older_checkpoints(run_path):
    told = json.loads((run_path / "provenance.json").read_bytes())
    assert belonging.identities(run_path) == {told["config_hash"]}
    drift = [{"step": 40, "changes": [], "config_hash": told["config_hash"]}]
    (run_path / "provenance.json").write_text(
        json.dumps({**told, "config_hash": "new", "drift": drift})
    )
    assert belonging.identities(run_path) == {told["config_hash"], "new"}
    assert belonging.newest(run_path)[0].step == 40


@pytest.mark.parametrize("content", ["", "[]", '{"drift": 3}', '{"drift": [3]}', "{}"])
def test_without_a_known_configuration_none_is_another(run_path, content):
    (run_path / "provenance.json").write_text(content)
    assert belonging.identities(run_path) == set()
    assert belonging.newest(run_path)[0].step == 40
