import builtins
import errno
import hashlib
import json
import math
import os
import stat

import pytest

from grokscope.errors import StorageError
from grokscope.store import durable
from grokscope.store.durable import damage, sweep, to_json, write_directory, write_file

REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some quota",
    errno.EROFS: "choose a writable place with --out",
    errno.EACCES: "check the permissions",
    errno.EIO: "check the disk",
}
every_error = pytest.mark.parametrize("number", REMEDIES, ids=errno.errorcode.get)


def failing(number, *, after=0):
    """Return a function that raises after some calls, and what it was called with."""
    calls = []

    def fail(original):
        def call(*args, **options):
            calls.append(args)
            if len(calls) > after:
                raise OSError(number, os.strerror(number))
            return original(*args, **options)

        return call

    return fail


def left_over(folder):
    return [path.name for path in folder.rglob("*") if "tmp" in path.name]


def break_open(monkeypatch, number):
    monkeypatch.setattr(durable, "open", failing(number)(builtins.open), raising=False)


def break_fsync(monkeypatch, number):
    monkeypatch.setattr(os, "fsync", failing(number)(os.fsync))


def break_moves(monkeypatch, number):
    monkeypatch.setattr(os, "replace", failing(number)(os.replace))
    monkeypatch.setattr(os, "rename", failing(number)(os.rename))


every_break = pytest.mark.parametrize("broken", [break_open, break_fsync, break_moves])


@every_error
@every_break
def test_a_file_that_cannot_be_written_is_left_as_it_was(tmp_path, monkeypatch, number, broken):
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    broken(monkeypatch, number)
    with pytest.raises(StorageError, match=REMEDIES[number]) as error:
        write_file(path, b"new")
    assert str(error.value).startswith(f"{path}: ")
    assert len(str(error.value).splitlines()) == 1
    assert path.read_bytes() == b"old"
    assert left_over(tmp_path) == []


@every_error
@every_break
def test_a_directory_that_cannot_be_written_does_not_appear(tmp_path, monkeypatch, number, broken):
    path = tmp_path / "deep" / "step_1"
    broken(monkeypatch, number)
    with pytest.raises(StorageError, match=REMEDIES[number]) as error:
        write_directory(path, {"a": b"1", "b": b"2"})
    assert str(error.value).startswith(f"{path}: ")
    assert not path.exists()
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("after", range(5))
def test_a_directory_is_whole_or_absent_whichever_sync_fails(tmp_path, monkeypatch, after):
    # Three files, then the directory itself, then its parent.
    path = tmp_path / "step_1"
    monkeypatch.setattr(os, "fsync", failing(errno.EIO, after=after)(os.fsync))
    with pytest.raises(StorageError, match="check the disk"):
        write_directory(path, {"a": b"1", "b": b"2"})
    assert not path.exists()
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("after", range(2))
def test_a_file_is_old_or_new_whichever_sync_fails(tmp_path, monkeypatch, after):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", failing(errno.EIO, after=after)(os.fsync))
    with pytest.raises(StorageError, match="check the disk"):
        write_file(path, b"new")
    assert path.read_bytes() == (b"old", b"new")[after]
    assert left_over(tmp_path) == []


def test_a_file_is_synced_before_it_is_named_and_its_directory_after(tmp_path, record_calls):
    write_file(tmp_path / "a.json", b"new")
    assert record_calls == [
        ("fsync", ".a.json.0.tmp"),
        ("rename", ".a.json.0.tmp", "a.json"),
        ("fsync", tmp_path.name),
    ]
    assert (tmp_path / "a.json").read_bytes() == b"new"


def test_a_directory_is_synced_before_it_is_named_and_its_manifest_comes_last(
    tmp_path, record_calls
):
    write_directory(tmp_path / "step_1", {"b": b"1", "a": b"2"})
    assert record_calls == [
        ("fsync", "b"),
        ("fsync", "a"),
        ("fsync", "manifest.json"),
        ("fsync", ".step_1.0.tmp"),
        ("rename", ".step_1.0.tmp", "step_1"),
        ("fsync", tmp_path.name),
    ]


def test_the_content_is_complete_when_it_is_synced(tmp_path, monkeypatch):
    seen = []
    original = os.fsync

    def watch(descriptor):
        facts = os.fstat(descriptor)
        if stat.S_ISREG(facts.st_mode):
            seen.append(facts.st_size)
        original(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    write_file(tmp_path / "a", b"x" * 100_000)
    assert seen == [100_000]


def test_the_manifest_holds_the_hash_of_every_file(tmp_path):
    files = {"a": b"1", "b": bytes(range(256))}
    write_directory(tmp_path / "d", files)
    manifest = json.loads((tmp_path / "d" / "manifest.json").read_bytes())
    assert manifest["sha256"] == {k: hashlib.sha256(v).hexdigest() for k, v in files.items()}


def test_a_directory_is_never_written_over(tmp_path):
    write_directory(tmp_path / "d", {"a": b"1"})
    with pytest.raises(StorageError, match="exists already"):
        write_directory(tmp_path / "d", {"a": b"2"})
    assert (tmp_path / "d" / "a").read_bytes() == b"1"
    assert left_over(tmp_path) == []


def test_what_a_dead_writer_left_behind_is_swept(tmp_path):
    (tmp_path / ".d.01234567.tmp").mkdir()
    (tmp_path / ".d.01234567.tmp" / "junk").write_bytes(b"junk")
    (tmp_path / ".a.89abcdef.tmp").write_bytes(b"junk" * 100)
    write_directory(tmp_path / "d", {"a": b"1"})
    write_file(tmp_path / "a", b"2")
    sweep(tmp_path)
    assert sorted(path.name for path in (tmp_path / "d").iterdir()) == ["a", "manifest.json"]
    assert (tmp_path / "a").read_bytes() == b"2"
    assert left_over(tmp_path) == []


def test_sweeping_one_name_leaves_those_that_begin_like_it(tmp_path):
    names = [".a.01234567.tmp", ".a.b.01234567.tmp", ".ab.01234567.tmp", ".a.b.tmp", "a.tmp"]
    for name in names:
        (tmp_path / name).mkdir()
    sweep(tmp_path, "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])


def test_what_cannot_be_swept_stays(tmp_path, monkeypatch):
    (tmp_path / ".a.01234567.tmp").write_bytes(b"junk")
    monkeypatch.setattr(os, "unlink", failing(errno.EIO)(os.unlink))
    sweep(tmp_path)
    assert left_over(tmp_path) == [".a.01234567.tmp"]


@pytest.mark.parametrize(
    "manifest",
    [b"", b"[]", b"{}", b'{"sha256": 3}', b'{"sha256": [1]}', b"\xff", b'{"sha256": {"../x": ""}}'],
)
def test_a_manifest_that_is_none_is_damage(tmp_path, manifest):
    write_directory(tmp_path / "d", {"a": b"1"})
    (tmp_path / "d" / "manifest.json").write_bytes(manifest)
    assert "manifest.json" in damage(tmp_path / "d")


def test_json_has_no_number_that_is_not_finite():
    content = to_json({"a": math.nan, "b": [math.inf, {"c": -math.inf}], "d": (1, 2.5)})
    assert json.loads(content) == {"a": None, "b": [None, {"c": None}], "d": [1, 2.5]}
