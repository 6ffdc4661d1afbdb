import dataclasses

import pytest

from grokscope.config import RunConfig, schema_json
from grokscope.config.schema import Batch, CheckpointSchedule, MeasureSchedule, Precision
from grokscope.models import MODELS, Init
from grokscope.objectives import LOSSES, PENALTIES
from grokscope.optim import OPTIMIZERS, Schedule
from grokscope.tasks import TASKS, Data

REGISTRIES = {
    "task": TASKS,
    "model": MODELS,
    "loss": LOSSES,
    "penalty": PENALTIES,
    "optimizer": OPTIMIZERS,
}
PARTS = [(kind, name) for kind, known in REGISTRIES.items() for name in known]
SECTIONS = [Batch, CheckpointSchedule, Data, Init, MeasureSchedule, Precision, Schedule]


def check(definition, cls):
    properties = definition["properties"]
    assert set(properties) == {field.name for field in dataclasses.fields(cls)}
    for name, content in properties.items():
        if name != "kind":
            assert content.get("description", "").strip(), f"{cls.__name__}.{name}"
    assert definition["additionalProperties"] is False


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_every_field_of_every_part_has_a_meaning(kind, name):
    part = REGISTRIES[kind][name]
    definition = schema_json()["$defs"][part.__name__]
    check(definition, part)
    assert definition["properties"]["kind"]["const"] == name


@pytest.mark.parametrize("section", SECTIONS)
def test_every_field_of_every_section_has_a_meaning(section):
    check(schema_json()["$defs"][section.__name__], section)


def test_every_field_of_a_run_has_a_meaning():
    check(schema_json(), RunConfig)


def test_every_kind_can_be_chosen():
    chosen = schema_json()["properties"]
    choices = {
        "task": chosen["task"]["discriminator"]["mapping"],
        "model": chosen["model"]["discriminator"]["mapping"],
        "optimizer": chosen["optimizer"]["discriminator"]["mapping"],
        "loss": chosen["loss"].get("discriminator", {}).get("mapping", {}),
    }
    for section, mapping in choices.items():
        assert set(mapping) == set(REGISTRIES[section]), section


def test_the_schema_says_which_dialect_it_is():
    assert schema_json()["$schema"].endswith("2020-12/schema")
