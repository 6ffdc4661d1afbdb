"""Markup in anything of a run is shown as text: in what the page gets, and in a real browser."""

import hashlib
import re

import polars as pl
import pytest

from grokscope.dashboard.content import content, sections
from grokscope.dashboard.library import Library
from grokscope.dashboard.view import View

from ..reports.test_markup import PAYLOADS, infected
from .driving import CHROMIUM, WAIT, choose, opened, served

TAG = re.compile(r"<(?!br>|extra>|/extra>)")
STRANGE = """() => [...document.querySelectorAll("#gs-content *, .sidebar *")].filter(node => {
  const name = node.nodeName.toUpperCase();
  const foreign = ["SCRIPT", "IFRAME", "IMG", "MATH", "OBJECT", "B", "TITLE"].includes(name);
  const handles = [...node.attributes].some(a => a.name.startsWith("on"));
  const href = name === "A" ? node.getAttribute("href") || "" : "?";
  return foreign || handles || !href.startsWith("?") && !node.closest(".modebar");
}).map(node => node.outerHTML.slice(0, 200))"""
SECTIONS = [name for name, _ in sections()]


def strings(tree):
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict):
        yield from (s for pair in tree.items() for part in pair for s in strings(part))
    elif isinstance(tree, list):
        yield from (s for part in tree for s in strings(part))


def with_a_column(path, name):
    """Add a measured quantity of this name to the history of a finished run."""
    file = path / "history.parquet"
    frame = pl.read_parquet(file).with_columns(pl.lit(1.0).alias(name))
    frame.write_parquet(file)
    (path / "history.sha256").write_text(hashlib.sha256(file.read_bytes()).hexdigest())


@pytest.fixture(scope="session")
def ill(runs, tmp_path_factory):
    """Return a folder in which every field of every run holds markup, and one run is broken."""
    folder = tmp_path_factory.mktemp("ill")
    for number, payload in enumerate(PAYLOADS):
        kind = ("circuit", "spectra", "gated", "routed", "grokked")[number % 5]
        run = infected(runs[kind], folder, payload)
        with_a_column(run.path, f"weight_norm.{payload}")
        run.path.rename(folder / f"{number:02} {run.name}")
    (folder / f"zz {PAYLOADS[3].replace('/', '∕')}").mkdir()
    (folder / f"zz {PAYLOADS[3].replace('/', '∕')}" / "config.yaml").write_text(f"{PAYLOADS[3]}: [")
    return folder


@pytest.mark.parametrize("section", SECTIONS)
def test_no_tag_of_a_run_is_in_a_figure(ill, section):
    library = Library(ill)
    shelf = library.look()
    names = [entry.name for entry in shelf.entries]
    assert len(names) == len(PAYLOADS), shelf.problems[:2]
    views = [View(section=section, color=color) for color in ("", "run", "notes")]
    views += [View(section=section, runs=(name,)) for name in names[::7]]
    for view in views:
        found = content(library, view)
        assert not any("cannot be drawn" in note for note in found["notes"])
        for panel in found["panels"]:
            assert [s for s in strings(panel["figure"]) if TAG.search(s)] == []


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium to look with")
def test_nothing_runs_and_nothing_is_injected(ill):
    sync = pytest.importorskip("playwright.sync_api", reason="no playwright to drive a browser")
    with served(ill) as link, sync.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(WAIT)
        happened = []
        page.on("dialog", lambda dialog: (happened.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda r: None if r.url.startswith((link, "data:", "blob:")) else
                happened.append(r.url))  # fmt: skip
        opened(page, link)
        for section in SECTIONS:
            choose(page, section)
            assert page.evaluate(STRANGE) == [], section
        shown = page.evaluate("document.getElementById('gs-content').textContent")
        assert "cannot be read" in shown
        choose(page, "runs")
        cells = page.locator(".gs-table td:first-child").all_inner_texts()
        assert sum("<script>" in cell for cell in cells) >= 10
        assert page.evaluate("window.hit") is None
        assert happened == []
        browser.close()
