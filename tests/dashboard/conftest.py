"""Folders of runs to look at: copies of small real runs under other names, seeds and decays."""

import asyncio
import gc
import shutil
import warnings

import pytest

from grokscope.dashboard.app import build
from grokscope.dashboard.library import Library
from grokscope.dashboard.server import names


def copied(run, folder, name, *, changes=None):
    """Copy a run; `changes` are texts of its configuration file and what stands there instead."""
    path = folder / name
    shutil.copytree(run.path, path)
    config = path / "config.yaml"
    text = config.read_text()
    for before, after in (changes or {}).items():
        assert before in text
        text = text.replace(before, after)
    config.write_text(text)
    return path


@pytest.fixture(scope="session")
def shelf_of(runs, tmp_path_factory):
    """Return a folder with every kind of run, looked at by several tests that write nothing."""
    folder = tmp_path_factory.mktemp("dashboard")
    for name, run in runs.items():
        shutil.copytree(run.path, folder / name.replace(" ", "-"))
    return folder


@pytest.fixture
def library(shelf_of):
    return Library(shelf_of)


def built(folder, **options):
    """Return the application. Gradio leaves event loops open, of which Python would tell later."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        app = build(folder, hosts=names("127.0.0.1", 7860), **options)
        asyncio.run(asyncio.sleep(0))
        gc.collect()
    return app
