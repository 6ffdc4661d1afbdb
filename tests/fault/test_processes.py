"""What a killed, refused, cut off, doubled or interrupted process leaves behind: a few of each."""

import importlib
from pathlib import Path

import pytest

FAULTS = Path(__file__).parents[2] / "faults"
COUNTS = {"kill": 5, "syscalls": 24, "storage": 16, "power": 12, "writers": 1, "signals": 4}

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", COUNTS)
def test_every_trial_holds_and_every_broken_build_is_caught(name, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(FAULTS))
    group = importlib.import_module(f"groups.{name}").GROUP
    score = group.run(COUNTS[name], 0, tmp_path)
    assert score.failures == []
    assert score.tried > 0
    assert {build for build, noticed in score.caught.items() if not noticed} == set()
    assert score.sound
