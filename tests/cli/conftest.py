"""The command, run inside the test or as a process of its own."""

import os
import shutil
import subprocess
import sys
from typing import NamedTuple

import pytest

import grokscope
from grokscope.cli import main

SMALL = ["task.p=5", "model.width=6", "data.train_fraction=0.5", "stop=never", "steps=40"]


class Ending(NamedTuple):
    """How a command ended: exit code, standard output and standard error."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def small():
    """Return the overrides of a small run."""
    return list(SMALL)


@pytest.fixture
def command(monkeypatch, capsys):
    """Return a function that runs the command inside this process."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["grokscope", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as exit_:
            code = exit_.code or 0
        return Ending(code, *capsys.readouterr())

    return run


@pytest.fixture
def process():
    """Return a function that starts the command as a process; what still runs is killed."""
    started = []

    def start(*arguments, **environment):
        settings = {k: v for k, v in os.environ.items() if not k.startswith("GROKSCOPE_")}
        one = subprocess.Popen(
            [sys.executable, "-m", "grokscope", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**settings, "OMP_NUM_THREADS": "1", **environment},
        )
        started.append(one)
        return one

    yield start
    for one in started:
        if one.poll() is None:
            one.kill()
            one.communicate()


@pytest.fixture(scope="session")
def kept(tmp_path_factory):
    """Return the directory of a finished run; nobody may change it."""
    return grokscope.train("quick", SMALL, out=tmp_path_factory.mktemp("kept"), name="run").path


@pytest.fixture
def run_path(kept, tmp_path):
    """Return the directory of a finished run that a test may change."""
    shutil.copytree(kept, tmp_path / "runs" / "run")
    return tmp_path / "runs" / "run"
