"""The scripts beside the notebooks, and the notebooks exported once for all tests."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"


def _script(name):
    sys.path.insert(0, str(NOTEBOOKS))
    try:
        spec = importlib.util.spec_from_file_location(f"notebooks_{name}", NOTEBOOKS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(NOTEBOOKS))
    return module


@pytest.fixture(scope="session")
def script():
    """Return a function that returns a script of the folder as a module."""
    return _script


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """Export every notebook from nothing, as `make notebooks` does; return the pages by name."""
    folder = tmp_path_factory.mktemp("notebooks")
    command = [sys.executable, str(NOTEBOOKS / "export.py")]
    folders = ["--out", str(folder / "pages"), "--runs", str(folder / "runs")]
    done = subprocess.run([*command, *folders], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.stem: path for path in (folder / "pages").glob("*.html")}
