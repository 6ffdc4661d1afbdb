"""Imports point down: a module imports lower floors, its own package, and nothing else of ours."""

import ast
from pathlib import Path

import pytest

import grokscope

ROOT = Path(grokscope.__file__).parent

FLOORS = [
    ["errors"],
    ["typing", "_registry", "_progress"],
    ["ops"],
    ["tasks", "optim"],
    ["models"],
    ["objectives"],
    ["problem"],
    ["snapshot", "landscape"],
    ["metrics"],
    ["config"],
    ["engine", "store"],
    ["analyses", "dynamics"],
    ["plots"],
    ["reports"],
    ["launch"],
    ["pool"],
    ["workers"],
    ["sweeps", "pipelines"],
    ["dashboard"],
    ["cli"],
    ["__init__", "__main__"],
]
HEIGHT = {name: number for number, names in enumerate(FLOORS) for name in names}


def imported(tree, path, root):
    """Yield (line, dotted module) of every import of ours, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "grokscope":
                    yield node.lineno, alias.name.split(".")[1:]
        elif isinstance(node, ast.ImportFrom):
            parts = (node.module or "").split(".")
            if node.level:
                inside = path.relative_to(root).parts[:-1]
                parts = ["grokscope", *inside[: len(inside) + 1 - node.level], *parts]
                parts = [part for part in parts if part]
            if parts[0] != "grokscope":
                continue
            if len(parts) > 1:
                yield node.lineno, parts[1:]
                continue
            for alias in node.names:
                is_module = (root / alias.name).is_dir() or (root / f"{alias.name}.py").exists()
                if is_module or alias.name != "__version__":
                    yield node.lineno, [alias.name] if is_module else ["__init__"]


def upward_imports(root):
    """Return one line for each import that does not point down."""
    found = []
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).parts
        own = parts[0].removesuffix(".py")
        if own not in HEIGHT:
            found.append(f"{path.relative_to(root)}: {own} has no floor")
            continue
        for line, target in imported(ast.parse(path.read_text()), path, root):
            name = target[0] if target else "__init__"
            if name == own and len(parts) > 1:
                continue
            if name not in HEIGHT or HEIGHT[name] >= HEIGHT[own]:
                found.append(f"{path.relative_to(root)}:{line}: {own} imports {name}")
    return found


def test_no_import_points_up():
    assert upward_imports(ROOT) == []


def test_every_module_was_looked_at():
    seen = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in ROOT.rglob("*.py")}
    assert {"errors", "ops", "engine", "store", "cli", "launch", "__init__"} <= seen


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("engine/loop.py", "from grokscope.store import Run"),
        ("engine/loop.py", "import grokscope.store.run"),
        ("engine/loop.py", "def f():\n    from grokscope.cli import app"),
        ("engine/loop.py", "if TYPE_CHECKING:\n    from grokscope.launch import train"),
        ("engine/loop.py", "from grokscope import launch"),
        ("engine/loop.py", "from grokscope import train"),
        ("engine/loop.py", "import grokscope"),
        ("engine/loop.py", "from ..store import Run"),
        ("engine/loop.py", "from .. import store"),
        ("store/run.py", "from grokscope.engine import train"),
        ("tasks/a.py", "from grokscope.optim import OPTIMIZERS"),
        ("errors.py", "from grokscope.typing import Named"),
        ("typing.py", "from grokscope._registry import nearest"),
        ("novelty/a.py", "import os"),
        ("engine/loop.py", "from grokscope.novelty import a"),
    ],
)
def test_an_import_that_points_up_is_found(tmp_path, place, source):
    for name in HEIGHT:
        (tmp_path / name).mkdir()
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_text(source)
    assert len(upward_imports(tmp_path)) == 1


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("engine/loop.py", "from grokscope.engine.member import Member"),
        ("engine/loop.py", "from grokscope.config import RunConfig"),
        ("engine/loop.py", "from .member import Member"),
        ("engine/loop.py", "from ..errors import ConfigError"),
        ("cli/app.py", "from grokscope import __version__"),
        ("cli/app.py", "from grokscope import launch"),
        ("__init__.py", "from grokscope.launch import train"),
        ("engine/loop.py", "import torch\nfrom grokscopes import x"),
    ],
)
def test_an_import_that_points_down_is_fine(tmp_path, place, source):
    for name in HEIGHT:
        (tmp_path / name).mkdir()
    (tmp_path / place).write_text(source)
    assert upward_imports(tmp_path) == []
