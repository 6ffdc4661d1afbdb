"""Small runs on the disk."""

import os
import secrets
import shutil

import pytest

import grokscope
from grokscope.config import load
from grokscope.store import durable

SMALL = [
    "task.p=5",
    "model.width=6",
    "steps=40",
    "stop=never",
    "measure.every=10",
    "measure.dense_every=5",
    "measure.dense_until=10",
    "checkpoint.every=20",
    "checkpoint.early=[0, 5]",
    "data.train_fraction=0.5",
]


@pytest.fixture(scope="session")
def small_config():
    """Return a function that makes the configuration of a small run."""

    def make(*overrides):
        return load("quick", [*SMALL, *overrides], environment={})

    return make


@pytest.fixture(scope="session")
def finished(tmp_path_factory, small_config):
    """Return the directory of a finished run; nobody may change it."""
    run = grokscope.train(small_config(), out=tmp_path_factory.mktemp("kept"), name="run")
    return run.path


@pytest.fixture
def run_path(finished, tmp_path):
    """Return the directory of a finished run that a test may change."""
    target = tmp_path / "runs" / "run"
    target.parent.mkdir()
    shutil.copytree(finished, target)
    return target


@pytest.fixture
def record_calls(monkeypatch):
    """Return the list of file operations that follow, each with the last parts of its paths.

    The number in the name of a temporary file, random else, is 0.
    """
    monkeypatch.setattr(secrets, "token_hex", lambda size: "0")
    calls, names = [], {}
    open_file, open_descriptor, fsync = open, os.open, os.fsync

    def record_file(path, mode):
        file = open_file(path, mode)
        names[file.fileno()] = os.path.basename(path)
        return file

    def record_descriptor(path, *flags):
        descriptor = open_descriptor(path, *flags)
        names[descriptor] = os.path.basename(path)
        return descriptor

    def record_fsync(descriptor):
        calls.append(("fsync", names[descriptor]))
        fsync(descriptor)

    def record_move(original):
        def move(source, target):
            calls.append(("rename", os.path.basename(source), os.path.basename(target)))
            original(source, target)

        return move

    monkeypatch.setattr(durable, "open", record_file, raising=False)
    monkeypatch.setattr(os, "open", record_descriptor)
    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "replace", record_move(os.replace))
    monkeypatch.setattr(os, "rename", record_move(os.rename))
    return calls
