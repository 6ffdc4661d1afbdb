"""Public names are documented, and modules are short."""

import ast
import statistics
from pathlib import Path

import pytest

import grokscope

ROOT = Path(grokscope.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

every_module = pytest.mark.parametrize(
    "path", MODULES, ids=lambda path: str(path.relative_to(ROOT))
)


def undocumented(source):
    """Return the public names of a module, and of its classes, that have no docstring."""

    def walk(node, prefix):
        for part in node.body:
            if isinstance(part, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                if part.name.startswith("_"):
                    continue
                name = f"{prefix}{part.name}"
                if not (ast.get_docstring(part) or "").strip():
                    yield name
                if isinstance(part, ast.ClassDef):
                    yield from walk(part, f"{name}.")

    tree = ast.parse(source)
    missing = [] if (ast.get_docstring(tree) or "").strip() else ["the module"]
    return missing + list(walk(tree, ""))


@every_module
def test_every_public_name_has_a_docstring(path):
    assert undocumented(path.read_text()) == []


@every_module
def test_no_module_is_longer_than_400_lines(path):
    assert len(path.read_text().splitlines()) <= 400


def test_the_median_module_is_at_most_150_lines_long():
    lengths = [len(path.read_text().splitlines()) for path in MODULES]
    assert statistics.median(lengths) <= 150


def test_every_name_at_the_door_resolves():
    assert sorted(grokscope.__all__) == grokscope.__all__
    for name in grokscope.__all__:
        assert getattr(grokscope, name).__doc__
        assert name in dir(grokscope)


def test_another_name_at_the_door_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'grokscope' has no attribute 'trian'"):
        grokscope.trian  # noqa: B018


def test_a_missing_docstring_is_noticed():
    source = '"""M."""\ndef f(): pass\nclass C:\n    """C."""\n    def g(self): pass\n'
    assert undocumented(source) == ["f", "C.g"]
    assert undocumented("def _f(): pass\n") == ["the module"]
    assert undocumented('"""M."""\nclass _C:\n    def g(self): pass\n') == []
