"""What an import loads: the command answers before PyTorch is in memory."""

import subprocess
import sys

import pytest

HEAVY = ["torch", "polars", "pyarrow", "plotly", "pydantic", "pandas", "scipy", "jinja2", "gradio"]


def loaded(program, modules):
    """Return which of `modules` a fresh interpreter has loaded after a program."""
    code = f"import sys\n{program}\nprint(*[m for m in {modules!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("program", ["import grokscope", "import grokscope.errors"])
def test_the_package_alone_loads_nothing_of_weight(program):
    assert loaded(program, [*HEAVY, "numpy", "rich", "typer"]) == []


def test_the_command_line_loads_nothing_of_weight():
    assert loaded("import grokscope.cli", HEAVY) == []


def test_asking_for_help_loads_nothing_of_weight():
    program = "from typer.testing import CliRunner\nfrom grokscope.cli import app\n"
    program += "assert CliRunner().invoke(app, ['train', '--help']).exit_code == 0"
    ours = [name for name in HEAVY if name != "pydantic"]  # typer itself uses pydantic to parse
    assert loaded(program, ours) == []


def test_training_loads_no_figures_and_no_frames_of_others():
    program = "import grokscope; grokscope.train"
    others = ["plotly", "gradio", "pandas", "scipy", "jinja2", "matplotlib", "kaleido"]
    assert loaded(program, [*others, "torch"]) == ["torch"]


def test_a_run_loads_no_compiler_and_no_frames_of_others(tmp_path):
    program = f"import grokscope; grokscope.train('quick', ['steps=2'], out={str(tmp_path)!r})"
    others = ["torch._dynamo", "sympy", "plotly", "gradio", "pandas", "jinja2"]
    assert loaded(program, [*others, "torch"]) == ["torch"]
