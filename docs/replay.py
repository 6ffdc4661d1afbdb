"""Follow the tutorial as a reader would, and keep what it prints in `docs/generated/`.

Every `sh` and `python` block of docs/tutorial.md is run in order, in an empty folder, with one
thread; the output of a block goes to the file that the next block includes. About a minute.
"""

import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(sh|python|text)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INCLUDED = re.compile(r'--8<-- "(docs/generated/tutorial-[a-z-]+\.txt)"')


def main() -> None:
    """Run the blocks and write what they print."""
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    printed = ""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for language, code in BLOCK.findall(text):
            if language == "python":
                printed = python(code, names)
            elif language == "sh" and not code.startswith("make setup"):
                printed = shell(code)
            elif target := INCLUDED.search(code):
                (ROOT / target[1]).write_text(printed, encoding="utf-8")
                print(f"wrote {target[1]}")


def python(code: str, names: dict[str, object]) -> str:
    """Return what a block of Python prints; what it defines stays in `names`."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "tutorial.md", "exec"), names)
    return printed.getvalue()


def shell(code: str) -> str:
    """Return what a block of commands prints on standard output. Raises if one of them fails."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "GROKSCOPE_THREADS": "1", "COLUMNS": "88"}
    done = subprocess.run(
        ["bash", "-euc", code],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout


if __name__ == "__main__":
    main()
