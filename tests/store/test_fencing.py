"""A writer that lost its lock without knowing writes nothing more."""

import json
import os
from threading import Thread

import pytest

from grokscope.errors import LockedError, StorageError
from grokscope.store.durable import set_aside, write_directory, write_file
from grokscope.store.lock import held, locked


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    return path


def files(run):
    return {p.relative_to(run): p.read_bytes() for p in sorted(run.rglob("*")) if p.is_file()}


def owner(run):
    return json.loads((run / ".owner").read_bytes())


def take_over(run):
    with locked(run):
        pass


WRITES = {
    "file": lambda run: write_file(run / "status.json", b"{}"),
    "directory": lambda run: write_directory(run / "step_000000001", {"state.json": b"{}"}),
    "set aside": lambda run: set_aside(run / "kept"),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_writer_whose_lock_file_is_gone_and_taken_anew_writes_nothing(run, write):
    (run / "kept").write_bytes(b"kept")
    with locked(run):
        (run / ".lock").unlink()
        others = Thread(target=take_over, args=(run,))  # with a context of its own
        others.start()
        others.join()
        before = files(run)
        assert owner(run)["generation"] == 2
        with pytest.raises(LockedError, match=r"run: was taken over by another process"):
            write(run)
        assert files(run) == before


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_writer_that_is_no_longer_the_owner_writes_nothing(run, write):
    (run / "kept").write_bytes(b"kept")
    with locked(run):
        other = {**owner(run), "generation": owner(run)["generation"] + 1, "pid": 1}
        (run / ".owner").write_text(json.dumps(other))
        before = files(run)
        with pytest.raises(LockedError, match=r"taken over by another process \(process 1 on "):
            write(run)
        assert files(run) == before


def test_a_writer_whose_folder_the_next_one_removed_was_taken_over(run):
    with locked(run):
        (run / ".owner").write_text("{}")
        with pytest.raises(LockedError, match="was taken over by another process"):
            write_file(run / "history" / "rows", b"")
    with locked(run), pytest.raises(StorageError, match="rows: no such file or directory"):
        write_file(run / "history" / "rows", b"")


def test_a_writer_that_cannot_read_who_is_the_owner_writes_nothing(run):
    with locked(run):
        (run / ".owner").write_bytes(b"\xff")
        with pytest.raises(StorageError, match=r"\.owner: not JSON; whether .* check the disk"):
            write_file(run / "status.json", b"{}")
    assert not (run / "status.json").exists()


def test_of_several_runs_only_the_one_that_was_taken_over_is_closed(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir(), second.mkdir()
    with locked(first), locked(second):
        (first / ".owner").write_text("{}")
        with pytest.raises(LockedError, match="first: was taken over by another process"):
            write_file(first / "status.json", b"{}")
        write_file(second / "status.json", b"{}")
    assert not (first / "status.json").exists()
    assert (second / "status.json").exists()


def test_the_owner_writes(run):
    (run / "kept").write_bytes(b"kept")
    with locked(run):
        for write in WRITES.values():
            write(run)
    assert (run / "status.json").read_bytes() == b"{}"


def test_every_owner_has_a_number_of_its_own_and_says_who_it_is(run):
    for expected in (1, 2, 3):
        with locked(run):
            assert owner(run)["generation"] == expected
            assert owner(run)["pid"] == os.getpid()
            assert {"host", "boot"} <= set(owner(run))


def test_who_only_looks_does_not_become_the_owner(run):
    with held(run):
        assert not (run / ".owner").exists()
        with pytest.raises(LockedError, match="is being written by another process"), locked(run):
            pass


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"generation": "7"}'])
def test_a_damaged_owner_file_is_replaced(run, content):
    (run / ".owner").write_bytes(content)
    with locked(run):
        assert owner(run)["generation"] == 1


def test_after_the_lock_nothing_is_fenced(run):
    with locked(run):
        pass
    (run / ".owner").unlink()
    write_file(run / "status.json", b"{}")
    assert (run / "status.json").exists()
