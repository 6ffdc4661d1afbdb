"""A few trials of every group of faults: each must hold, and every broken build must be caught."""

import importlib
from pathlib import Path

import pytest

FAULTS = Path(__file__).parents[2] / "faults"
COUNTS = {
    "cohort": 2,
    "config": 60,
    "damage": 11,
    "files": 8,
    "kill": 4,
    "memory": 2,
    "numbers": 4,
    "power": 6,
    "signals": 3,
    "storage": 8,
    "sweep": 4,
    "syscalls": 9,
    "writers": 1,
}

pytestmark = pytest.mark.slow


def test_every_group_has_its_share():
    assert set(COUNTS) == {path.stem for path in (FAULTS / "groups").glob("[a-z]*.py")}


@pytest.mark.parametrize("name", COUNTS)
def test_every_trial_holds_and_every_broken_build_is_caught(name, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(FAULTS))
    group = importlib.import_module(f"groups.{name}").GROUP
    score = group.run(COUNTS[name], 0, tmp_path)
    assert score.failures == []
    assert score.tried > 0
    assert {build for build, noticed in score.caught.items() if not noticed} == set()
    assert score.sound
