"""Reading a document section by section is a fast path: here is its slow twin."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grokscope.config import load, recipes, to_yaml
from grokscope.config.document import ROOM, Document
from grokscope.errors import ConfigError


def slowly(text):
    """Return a document read as a whole, or the message of its error."""
    document = Document("run", text, ROOM)
    object.__setattr__(document, "_by_section", lambda: None)
    return outcome(document)


def outcome(document):
    try:
        return document.value()
    except ConfigError as error:
        return str(error)


@pytest.mark.parametrize("name", recipes())
def test_the_configurations_of_runs_are_read_by_section(name):
    text = to_yaml(load(name, environment={}))
    document = Document("run", text, ROOM)
    assert document._by_section() == slowly(text)


@settings(max_examples=60, deadline=None)
@given(notes=st.text(max_size=160), tags=st.lists(st.text(max_size=9), max_size=3))
def test_whatever_a_person_writes_into_a_run_is_read_alike(notes, tags):
    base = load("quick", environment={})
    text = to_yaml(dataclasses.replace(base, notes=notes, tags=tuple(tags)))
    assert outcome(Document("run", text, ROOM)) == slowly(text)


LINES = ["a: 1", "b: [1, 2", "  3]", "c:", "- x", "  d: e", "a: 2", 'f: "g', 'h: i"', "", "? j"]
LINES += ["k: &l 3", "m: *l", "# n", "---", "<<: {o: 1}", "p: |", "  q: r", "s: 'it''s'", "t: 1e-8"]
LINES += ["u: {v: 1, v: 2}", " w: x", "y: {z: [}", "...", "%YAML 1.1", "B: no", "n: !!int x"]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(LINES), max_size=7))
def test_whatever_lines_stand_in_a_file_are_read_alike(lines):
    text = "\n".join(lines) + "\n"
    assert outcome(Document("run", text, ROOM)) == slowly(text)


def test_what_was_read_may_be_changed_without_changing_what_is_read_next():
    text = "a: {b: [1]}\n"
    Document("run", text, ROOM).value()["a"]["b"].append(2)
    assert Document("run", text, ROOM).value() == {"a": {"b": [1]}}
