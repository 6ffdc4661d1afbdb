import errno
import fcntl
import os
import shutil
import subprocess
import sys
from subprocess import PIPE

import pytest

import grokscope
from grokscope.config.document import MAX_BYTES
from grokscope.engine import Saved
from grokscope.errors import ConfigError, DivergedError, LockedError, StorageError
from grokscope.store import create, reopen


def test_a_second_writer_is_refused_and_learns_who_is_first(run_path):
    config = grokscope.open(run_path).config
    refused = pytest.raises(
        LockedError, match=rf"run: is being written by another process: process {os.getpid()} on "
    )
    with reopen(run_path, config):
        with refused, reopen(run_path, config):
            pytest.fail("two writers")
        with refused:
            grokscope.resume(run_path)
    with reopen(run_path, config):
        pass


def test_a_lock_of_a_process_that_said_nothing_is_a_lock_too(run_path):
    with open(run_path / ".lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(LockedError, match="by another process: unknown"):
            grokscope.resume(run_path)
    assert grokscope.resume(run_path).status["state"] == "finished"


HOLD = """
import fcntl, sys
held = open(sys.argv[1], "w")
fcntl.flock(held, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_the_lock_of_another_process_holds_until_it_dies(run_path):
    arguments = [sys.executable, "-c", HOLD, str(run_path / ".lock")]
    with subprocess.Popen(arguments, stdin=PIPE, stdout=PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match="is being written by another process"):
            grokscope.resume(run_path)
        other.kill()
        other.wait()
    assert grokscope.resume(run_path).status["state"] == "finished"


def test_a_new_run_is_locked_while_it_trains(tmp_path, small_config):
    seen = []

    def observe(record):
        if not seen:
            with pytest.raises(LockedError, match="is being written"):
                grokscope.resume(tmp_path / "run")
            seen.append(record)

    grokscope.train(small_config(), out=tmp_path, name="run", observer=observe)
    assert seen


def test_readers_need_no_lock(tmp_path, small_config):
    lengths = []

    def observe(record):
        run = grokscope.open(tmp_path / "run")
        assert run.verify() == []
        assert run.outcome in ("running", "unfinished", "memorized", "grokked")
        lengths.append(len(run.history))

    grokscope.train(small_config(), out=tmp_path, name="run", observer=observe)
    assert lengths == sorted(lengths)
    assert lengths[-1] == len(grokscope.open(tmp_path / "run").history)


def test_what_exists_is_never_written_over(tmp_path, small_config, finished):
    (tmp_path / "taken").mkdir()
    (tmp_path / "file").write_bytes(b"mine")
    for name in ("taken", "file"):
        with pytest.raises(ConfigError, match=f"{name}: exists already and is never overwritten"):
            grokscope.train(small_config(), out=tmp_path, name=name)
    with (
        pytest.raises(ConfigError, match="never overwritten"),
        create(finished, small_config(), {}),
    ):
        pytest.fail("written over")
    assert list((tmp_path / "taken").iterdir()) == []
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_a_run_appears_whole_or_not_at_all(tmp_path, small_config, monkeypatch):
    rename, there = os.rename, []

    def look(source, target):
        there.append(((tmp_path / "run").exists(), sorted(p.name for p in source.iterdir())))
        rename(source, target)
        there.append(sorted(p.name for p in (tmp_path / "run").iterdir()))

    monkeypatch.setattr(os, "rename", look)
    with create(tmp_path / "run", small_config(), {}):
        pass
    whole = ["config.yaml", "provenance.json", "status.json"]
    assert there == [(False, whole), whole]


def test_who_dies_before_a_run_appears_is_in_nobodys_way(tmp_path, small_config, monkeypatch):
    class Killed(BaseException):
        pass

    def die(source, target):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", die)
        with pytest.raises(Killed):
            grokscope.train(small_config(), out=tmp_path, name="run")
    (half,) = tmp_path.iterdir()
    assert half.name.startswith(".run.")
    assert len(grokscope.open_all(tmp_path)) == 0
    grokscope.train(small_config(), out=tmp_path, name="run")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_name_that_another_takes_meanwhile_is_taken(
    tmp_path, small_config, finished, monkeypatch
):
    rename = os.rename

    def be_late(source, target):
        shutil.copytree(finished, target)
        rename(source, target)

    monkeypatch.setattr(os, "rename", be_late)
    with (
        pytest.raises(ConfigError, match="exists already and is never overwritten"),
        create(tmp_path / "run", small_config(), {}),
    ):
        pytest.fail("written over")
    assert grokscope.open(tmp_path / "run").verify() == []
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_largest_configuration_is_read_back(tmp_path):
    # It grows when all defaults are written out.
    early = ", ".join(map(str, range(900)))
    text = "task: {kind: modular, p: 5}\nmodel: {kind: mlp, width: 4}\nsteps: 1\n"
    text += f"optimizer: {{kind: sgd}}\ncheckpoint: {{early: [{early}]}}\n"
    text += "penalties: [" + "{kind: l2}, " * 35 + "]\nnotes: " + "é" * 13_500 + "\n"
    (tmp_path / "large.yaml").write_text(text)
    run = grokscope.train(tmp_path / "large.yaml", out=tmp_path, name="run")
    assert len((run.path / "config.yaml").read_bytes()) > MAX_BYTES
    assert grokscope.open(run.path).config.checkpoint.early == tuple(range(900))


def test_a_run_without_a_name_takes_the_first_free_number(tmp_path, small_config):
    config = small_config("steps=1", "name=quick")
    names = [grokscope.train(config, out=tmp_path).name for _ in range(3)]
    assert names == ["quick", "quick-2", "quick-3"]
    assert grokscope.open(tmp_path / "quick-2").config.name == "quick-2"


def test_a_place_that_cannot_hold_runs_is_named(tmp_path, small_config):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match=r"file/deep: not a directory"):
        grokscope.train(small_config(), out=tmp_path / "file" / "deep", name="run")


def test_a_full_disk_stops_the_run_and_spares_what_was_saved(tmp_path, small_config, monkeypatch):
    fsync = os.fsync
    saved = []

    def observe(record):
        if isinstance(record, Saved):
            saved.append(record.step)
        if len(saved) == 2:
            monkeypatch.setattr(os, "fsync", full)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(StorageError, match=r"no space left on device.*free some space"):
        grokscope.train(small_config(), out=tmp_path, name="run", observer=observe)
    monkeypatch.setattr(os, "fsync", fsync)
    run = grokscope.open(tmp_path / "run")
    assert run.steps == saved == [0, 5]
    assert run.verify() == []
    assert not [path for path in run.path.rglob("*") if path.name.endswith(".tmp")]
    assert grokscope.resume(run).status["state"] == "finished"


def test_a_diverged_run_is_kept_with_its_reason(tmp_path, small_config):
    config = small_config("optimizer.lr=1e30")
    with pytest.raises(
        DivergedError, match=r"run: the objective is \S+ at step \d+, first in .*; take a smaller"
    ):
        grokscope.train(config, out=tmp_path, name="run")
    run = grokscope.open(tmp_path / "run")
    assert run.outcome == "diverged"
    assert run.status["state"] == "finished"
    assert "the objective is" in run.status["reason"]
    assert run.verify() == []
    assert run.history["step"].to_list()[0] == 0


def test_nothing_is_written_for_a_configuration_that_cannot_begin(tmp_path, small_config):
    with pytest.raises(ConfigError, match="leaves 0 to train"):
        grokscope.train(
            small_config(), ["task.p=2", "data.train_fraction=0.1"], out=tmp_path / "runs"
        )
    assert list(tmp_path.iterdir()) == []
