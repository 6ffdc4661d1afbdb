"""Run the notebooks and write each as one HTML file that opens without a network.

Run as `python notebooks/export.py [--out FOLDER] [--runs FOLDER] [NOTEBOOK ...]`. What a notebook
trains is kept in the folder of runs and used again. Exits with 1 where a notebook fails.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from offline import offline

HERE = Path(__file__).parent
NAMES = ("grokking", "hessian", "least_action")


def main() -> None:
    """Export the notebooks that the command line names, all by default."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NOTEBOOK", help=", ".join(NAMES))
    parser.add_argument("--out", type=Path, default=HERE.parent / "runs" / "notebooks")
    parser.add_argument("--runs", type=Path, default=HERE.parent / "runs" / "notebooks")
    given = parser.parse_args()
    for name in given.names or NAMES:
        began = time.monotonic()
        page = export(name, out=given.out, runs=given.runs)
        took, size = time.monotonic() - began, page.stat().st_size / 1e6
        print(f"{page}  {size:.1f} MB, {took:.0f} s", flush=True)


def export(name: str, *, out: Path, runs: Path) -> Path:
    """Run a notebook and return the page of its outputs, below `out`.

    Raises CalledProcessError where a cell of it fails.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / f"{name}.html"
        command = [sys.executable, "-m", "marimo", "export", "html", str(HERE / f"{name}.py")]
        options = ["--no-include-code", "--output", str(raw)]
        arguments = [*options, "--", "--runs", str(runs.resolve())]
        subprocess.run([*command, *arguments], check=True)
        text = offline(raw.read_text(encoding="utf-8"))
    page = out / f"{name}.html"
    page.write_text(text, encoding="utf-8")
    return page


if __name__ == "__main__":
    main()
