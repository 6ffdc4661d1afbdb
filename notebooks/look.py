"""Open exported notebooks in Chromium without a network, and photograph them.

Run as `python notebooks/look.py PAGE ... [--width 1280] [--out FOLDER]`. It needs playwright and a
Chromium on the PATH. Exits with 1 where a page asked for something, told an error, or left a plot
undrawn.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 120_000
"""Milliseconds to wait for the first plot, on a machine that is busy."""
DRAWN = """plots => plots.filter(
  plot => plot.querySelector(".trace, .point, .hm, .bars path, .surface, image, path.js-line")
).length"""
BOTTOM = """() => Math.max(...[...document.querySelectorAll(".output, .markdown, marimo-plotly")]
  .map(part => part.getBoundingClientRect().bottom + window.scrollY))"""
SPREAD = "() => document.documentElement.scrollWidth - window.innerWidth"


@dataclass
class Seen:
    """What a page did while it was open."""

    asked: list[str] = field(default_factory=list)
    """Addresses it asked for, other than itself and what it holds."""
    errors: list[str] = field(default_factory=list)
    """Errors on its console, and exceptions that nobody caught."""
    plots: int = 0
    drawn: int = 0
    """Plots with at least one mark in them."""
    failed: int = 0
    """Cells whose output is an error."""
    beside: float = 0.0
    """Pixels by which the page is wider than its window."""

    @property
    def sound(self) -> bool:
        """Whether it asked for nothing, told no error, and drew all of its plots inside."""
        whole = self.drawn == self.plots > 0 and not self.failed and self.beside <= 0
        return whole and not self.asked and not self.errors


def browser_path() -> str | None:
    """Return the Chromium on the PATH, None where there is none."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


@contextmanager
def opened(path: Path, *, width: int = 1280) -> Iterator[tuple[Any, Seen]]:
    """Open a page without a network until its plots are drawn; give it and what it did."""
    from playwright.sync_api import sync_playwright

    seen, address = Seen(), path.resolve().as_uri()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        context = browser.new_context(
            offline=True, viewport={"width": width, "height": 900}, color_scheme="dark"
        )
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: _note(seen.asked, request.url, address))
        page.on("console", lambda said: said.type == "error" and seen.errors.append(said.text))
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        page.goto(address)
        page.locator(".js-plotly-plot .main-svg").first.wait_for(state="attached")
        seen.plots = page.locator("marimo-plotly").count()
        page.locator(".js-plotly-plot").nth(seen.plots - 1).wait_for(state="attached")
        page.wait_for_timeout(1500)
        seen.drawn = page.locator(".js-plotly-plot").evaluate_all(DRAWN)
        seen.failed = page.locator(".marimo-error, .output.error").count()
        seen.beside = page.evaluate(SPREAD)
        yield page, seen
        browser.close()


def photograph(page: Any, path: Path, *, width: int) -> None:
    """Write a picture of a whole page, which otherwise scrolls inside its window."""
    for _ in range(2):  # Plots take their place only once there is room for them.
        page.set_viewport_size({"width": width, "height": int(page.evaluate(BOTTOM)) + 40})
        page.wait_for_timeout(1500)
    page.screenshot(path=path)


def _note(asked: list[str], url: str, own: str) -> None:
    if url != own and not url.startswith(("data:", "blob:")):
        asked.append(url)


def main() -> None:
    """Look at the pages that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pages", nargs="+", type=Path, metavar="PAGE")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--out", type=Path, default=Path())
    given = parser.parse_args()
    sound = True
    for path in given.pages:
        with opened(path, width=given.width) as (page, seen):
            photograph(page, given.out / f"{path.stem}-{given.width}.png", width=given.width)
        print(path.name, seen, flush=True)
        sound &= seen.sound
    sys.exit(not sound)


if __name__ == "__main__":
    main()
