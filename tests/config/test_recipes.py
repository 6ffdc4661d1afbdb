import re
from pathlib import Path

import pytest

from grokscope.config import decode, load, recipes, to_yaml
from grokscope.config.document import Document
from grokscope.engine.member import Member

NUMBER = re.compile(r"(?<![\w^.])-?\.?\d[\d_]*(\.\d*)?(e[+-]?\d+)?(?![\w^])", re.IGNORECASE)
# Recipes that read files of their user: made-up ones.
FILES = {"mnist": [f"task.path={Path(__file__).parents[1] / 'tasks' / 'idx'}", "task.examples=40"]}
WORDS = ("name", "notes", "tags")

every_recipe = pytest.mark.parametrize("name", sorted(recipes()))


def unexplained(text):
    """Return the lines with a number and no comment before them in their section."""
    found = []
    section, explained, previous = "", False, ""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("#"):
            explained = True
        elif line and not line.startswith(" "):
            section = line.partition(":")[0]
            explained = previous.startswith("#")
        value = line.partition("#")[0].partition(":")[2] or line.partition("#")[0]
        if section not in WORDS and NUMBER.search(value) and not explained:
            found.append(number)
        previous = line
    return found


@every_recipe
def test_a_recipe_loads_and_survives_yaml(name):
    config = load(name, environment={})
    assert config.name == name
    assert config.notes
    assert decode(Document("text", to_yaml(config)).mapping()) == config


@every_recipe
def test_a_recipe_can_begin(name):
    member = Member(0, load(name, FILES.get(name, []), environment={}))
    assert len(member.problem.train) > 0
    assert member.problem.layout.size == len(member.params)


@every_recipe
def test_a_number_in_a_recipe_has_its_reason_before_it(name):
    assert unexplained(recipes()[name].read_text()) == []


def test_a_number_without_a_reason_is_noticed():
    assert unexplained("steps: 3\n") == [1]
    assert unexplained("# Enough.\nsteps: 3\n") == []
    assert unexplained("# Enough.\nsteps: 3\ntask: {kind: modular, p: 7}\n") == [3]
    assert unexplained("model:\n  kind: mlp\n  width: 8\n") == [3]
    assert unexplained("model:\n  kind: mlp\n  # Five times p.\n  width: 8\n") == []
    assert unexplained("optimizer: {lr: 1e-3}\n") == [1]
    assert unexplained("notes: >-\n  In 3 seconds.\n") == []
    assert unexplained("precision: {loss: float64}\ntask: {expression: a^2+b^2}\n") == []
