"""Files that somebody else put into a run: refused in words, at once, and never written through."""

import hashlib
import io
import json
import os

import numpy as np
import pytest

import grokscope
from grokscope.errors import GrokscopeError, NoValidStateError, StorageError
from grokscope.store import checkpoint, reading, results
from grokscope.store.lock import locked

STEP = "checkpoints/step_000000040"


def believed(path):
    """Make the manifest beside a changed file tell its present hash."""
    manifest = json.loads((path.parent / "manifest.json").read_bytes())
    manifest["sha256"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    (path.parent / "manifest.json").write_text(json.dumps(manifest))


def pipe(path):
    os.mkfifo(path)


def endless(path):
    path.symlink_to("/dev/zero")


def hollow(path):
    with path.open("wb") as file:
        file.truncate(2**42)


def folder(path):
    path.mkdir()


@pytest.mark.parametrize("make", [pipe, endless, hollow, folder])
def test_what_is_no_file_of_a_bounded_size_is_refused_at_once(tmp_path, make):
    try:
        make(tmp_path / "x")
    except OSError:
        assert make is hollow  # this file system has no files of that size
        return
    words = rf"x: (is not a file|is a directory|{2**42:,} bytes are more)"
    with pytest.raises(NoValidStateError, match=words):
        reading.content(tmp_path / "x")


def test_a_file_has_at_most_the_bytes_it_may(tmp_path):
    (tmp_path / "x").write_bytes(b"12345")
    assert reading.content(tmp_path / "x", 5) == b"12345"
    with pytest.raises(NoValidStateError, match="x: 5 bytes are more than it can have"):
        reading.content(tmp_path / "x", 4)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a": "\\ud800"}', "not JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[1]", r"expected a section, got \[1\]"),
        (b"null", "expected a section, got None"),
        (b'{"step": "x"}', "step: cannot be 'x'"),
        (b'{"step": null}', "step: cannot be None"),
    ],
)
def test_what_is_no_mapping_is_refused(tmp_path, content, words):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(NoValidStateError, match=rf"x\.json: {words}$"):
        reading.mapping(tmp_path / "x.json", {"step": int})


def test_a_link_to_a_file_is_read(tmp_path):
    (tmp_path / "there.json").write_text('{"a": "\\u00e9"}')
    (tmp_path / "here.json").symlink_to("there.json")
    assert reading.mapping(tmp_path / "here.json") == {"a": "é"}


def contents(path):
    return {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", ["checkpoints", "history", "clock"])
def test_a_run_does_not_go_on_through_a_link(run_path, tmp_path, name):
    outside = tmp_path / "outside"
    (run_path / name).rename(outside) if (run_path / name).exists() else outside.mkdir()
    (outside / ".precious.01234567.tmp").write_text("mine")
    (run_path / name).symlink_to(outside)
    before = contents(outside)
    with pytest.raises(NoValidStateError, match=f"{name}: is a link, and nothing is written"):
        grokscope.resume(run_path, ["steps=+5"])
    assert contents(outside) == before


def test_a_result_is_not_written_through_a_link(run_path, tmp_path):
    (run_path / "results").rename(tmp_path / "outside")
    (run_path / "results").symlink_to(tmp_path / "outside")
    before = contents(tmp_path / "outside")
    with pytest.raises(NoValidStateError, match="results: is a link"):
        grokscope.open(run_path).analyze("grokking_time", k=5)
    assert contents(tmp_path / "outside") == before


def test_a_lock_is_not_taken_through_a_link(run_path, tmp_path):
    (tmp_path / "precious").write_text("mine")
    (run_path / ".lock").unlink()
    (run_path / ".lock").symlink_to(tmp_path / "precious")
    with pytest.raises(StorageError, match=r"\.lock: "), locked(run_path):
        pytest.fail("locked")
    assert (tmp_path / "precious").read_text() == "mine"


@pytest.mark.parametrize(
    ("fact", "value"),
    [
        ("rows", -1),
        ("rows", "3"),
        ("rows", None),
        ("step", 20),
        ("milestones", []),
        ("milestones", {"odd": 1}),
        ("milestones", {"test_acc": None}),
        ("milestones", {"memorized_at": "x"}),
        ("measured", "x"),
        ("seconds", None),
    ],
)
def test_odd_facts_of_a_checkpoint_are_refused_in_one_line(run_path, fact, value):
    path = run_path / STEP / "state.json"
    facts = json.loads(path.read_bytes())
    path.write_text(json.dumps({**facts, fact: value}))
    believed(path)
    with pytest.raises(NoValidStateError, match=r"state|counts|cannot be|lacks") as error:
        grokscope.launch.state_of(grokscope.open(run_path).config, checkpoint.read(run_path, 40))
    assert len(str(error.value).splitlines()) == 1


def test_a_state_of_another_optimizer_is_refused(run_path):
    saved = checkpoint.read(run_path, 40)
    config = grokscope.open(run_path).config
    for odd in ({}, {name: x.double() for name, x in saved.optimizer.items()}):
        changed = checkpoint.Checkpoint(
            step=40, params=saved.params, optimizer=odd, facts=saved.facts
        )
        with pytest.raises(NoValidStateError, match="is of another optimizer"):
            grokscope.launch.state_of(config, changed)


def archive(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\3\4", archive(x=np.array([object()], dtype=object)), b"\x80\x04N."],
    ids=["empty", "cut", "objects", "pickle"],
)
def test_arrays_that_are_none_are_refused_in_one_line(tmp_path, content):
    result = results.Result("a", {}, {"x": np.zeros(3)}, {})
    results.write(tmp_path / "results" / "a" / "0", result)
    path = tmp_path / "results" / "a" / "0" / "arrays.npz"
    path.write_bytes(content)
    with pytest.raises(NoValidStateError, match=r"arrays\.npz: not an archive of arrays"):
        results.read(path.parent)


def test_a_manifest_that_does_not_list_what_a_checkpoint_needs_is_none(run_path):
    manifest = run_path / STEP / "manifest.json"
    told = json.loads(manifest.read_bytes())
    del told["sha256"]["optimizer.safetensors"]
    manifest.write_text(json.dumps(told))
    with pytest.raises(GrokscopeError, match=r"manifest\.json: not a manifest"):
        checkpoint.read(run_path, 40)
