"""How tests use the dashboard in a browser; what drives the browser they import themselves."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager

CHROMIUM = os.environ.get("BROWSER_PATH") or shutil.which("chromium") or shutil.which("chrome")
WAIT = 90_000
"""Milliseconds that something may take to be drawn."""
DRAWN = "section => window.grokscope?.drawn(section)"


@contextmanager
def served(folder):
    """Yield the link of a dashboard of this folder."""
    command = [sys.executable, "-m", "grokscope", "dashboard", str(folder), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield json.loads(process.stdout.readline())["link"]
        finally:
            process.terminate()


def opened(page, link, section="training_curves"):
    """Go to a link and wait for its section."""
    page.goto(link)
    page.wait_for_function(DRAWN, arg=section)


def choose(page, section):
    """Choose a section and wait for it."""
    page.click(f'#gs-sections label:has(input[value="{section}"])')
    page.wait_for_function(DRAWN, arg=section)
