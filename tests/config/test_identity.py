import copy
import dataclasses

import pytest

from grokscope.config import decode, identity, load
from grokscope.models import MODELS
from grokscope.objectives import LOSSES, PENALTIES
from grokscope.optim import OPTIMIZERS
from grokscope.tasks import TASKS

LABELS = ("name", "notes", "tags")
LENGTH = ("steps", "stop")
MANNER = ("threads",)
PARTS = {"task": TASKS, "model": MODELS, "loss": LOSSES, "optimizer": OPTIMIZERS}


def base(**sections):
    small = {
        "task": {"kind": "modular", "p": 7},
        "model": {"kind": "mlp", "width": 8},
        "optimizer": {"kind": "adamw"},
        "penalties": [{"kind": "l2", "weight": 0.1}],
    }
    return decode(small | sections)


def leaves(config, path=()):
    """Yield the path of every number, word and list of a configuration."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from leaves(value, (*path, field.name))
        else:
            yield (*path, field.name)


def with_another(config, path):
    """Return a copy whose leaf at `path` has another value, valid or not."""
    first, *rest = path
    value = getattr(config, first)
    if rest:
        value = with_another(value, rest)
    elif isinstance(value, bool):
        value = not value
    elif isinstance(value, (int, float)):
        value = value + 1
    elif isinstance(value, tuple):
        value = (*value, value[-1]) if value else ("x",)
    else:
        value = f"{value}x"
    changed = copy.copy(config)
    object.__setattr__(changed, first, value)
    return changed


CONFIGS = [base()]
CONFIGS += [base(**{part: {"kind": kind}}) for part, known in PARTS.items() for kind in known]
CONFIGS += [base(penalties=[{"kind": kind}]) for kind in PENALTIES]


@pytest.mark.parametrize("config", CONFIGS, ids=range(len(CONFIGS)))
def test_identity_changes_with_every_leaf_but_labels_length_and_manner(config):
    seen = {identity(config)}
    for path in leaves(config):
        other = identity(with_another(config, path))
        if path[0] in (*LABELS, *LENGTH, *MANNER):
            assert other == identity(config), path
        else:
            assert other not in seen, path
            seen.add(other)


def test_identity_changes_inside_a_penalty():
    assert identity(base()) != identity(base(penalties=[{"kind": "l2", "weight": 0.2}]))


def test_identity_does_not_depend_on_where_a_value_came_from(monkeypatch):
    monkeypatch.setenv("GROKSCOPE_SEED", "3")
    from_environment = load("quick")
    assert identity(from_environment) == identity(load("quick", ["seed=3"], environment={}))


def test_identity_is_a_sha_256():
    assert len(bytes.fromhex(identity(base()))) == 32
