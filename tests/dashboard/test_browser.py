"""The dashboard in a real browser, used like a person would: skipped where there is none."""

import re
import subprocess
import sys

import pytest

from grokscope.dashboard.content import sections

from .conftest import copied
from .driving import CHROMIUM, DRAWN, WAIT, choose, opened, served

sync = pytest.importorskip("playwright.sync_api", reason="no playwright to drive a browser with")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium to look with")


@pytest.fixture(scope="module")
def browser():
    with sync.sync_playwright() as play:
        found = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def link(shelf_of):
    with served(shelf_of) as found:
        yield found


@pytest.fixture
def page(browser):
    """Return a page that remembers errors, downloads, and whom it asked."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.errors, page.asked = [], set()
    page.on("console", lambda m: page.errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("request", lambda r: page.asked.add(re.split(r"[?#]", r.url)[0]))
    yield page
    context.close()


def pick(page, label, word):
    """Choose a word in one of the lists beside the figures."""
    box = page.get_by_role("combobox", name=label, exact=True)
    box.click()
    box.fill(word)
    page.get_by_role("option", name=word, exact=True).first.click()


def wait_for_query(page, part):
    page.wait_for_function("part => location.search.includes(part)", arg=part)
    page.wait_for_function(
        "() => document.getElementById('gs-content').dataset.drawn === location.search.slice(1)"
    )


def files_of(folder):
    """Return every path below a folder with its size and the time of its last change."""
    found = {path: path.stat() for path in sorted(folder.rglob("*"))}
    return {path: (stat.st_size, stat.st_mtime_ns) for path, stat in found.items()}


def test_a_person_finds_their_way_and_nothing_is_written(page, link, shelf_of):
    before = files_of(shelf_of)
    opened(page, link)
    for name, _ in sections():
        choose(page, name)
    choose(page, "training_curves")
    pick(page, "Runs", "circuit")
    wait_for_query(page, "runs=circuit")
    assert page.locator(".gs-counts").inner_text().startswith("1 of ")
    kind = "() => document.querySelector('.gs-plot')._fullLayout.xaxis.type"
    assert page.evaluate(kind) == "log"
    page.get_by_label("linear").first.click()
    wait_for_query(page, "x_scale=linear")
    page.wait_for_function(f"() => ({kind})() === 'linear'")
    other = page.context.new_page()
    other.goto(page.url)
    other.wait_for_function(DRAWN, arg="training_curves")
    other.wait_for_function(f"() => ({kind})() === 'linear'")
    assert other.locator(".gs-counts").inner_text().startswith("1 of ")
    other.close()
    assert page.errors == []
    assert all(url.startswith((link, "data:", "blob:")) for url in page.asked), page.asked
    assert files_of(shelf_of) == before


def test_runs_are_grouped_by_weight_decay(page, runs, tmp_path):
    for number, decay in enumerate(("1.0", "0.1", "3.0")):
        changes = {"weight_decay: 1.0": f"weight_decay: {decay}"}
        copied(runs["grokked"], tmp_path, f"run-{number}", changes=changes)
    with served(tmp_path) as link:
        opened(page, link)
        pick(page, "Color by", "seed")
        wait_for_query(page, "color=seed")
        assert page.locator(".gs-legend li").all_inner_texts() == ["seed=0"]
        pick(page, "Color by", "optimizer.weight_decay")
        wait_for_query(page, "color=optimizer.weight_decay")
        words = page.locator(".gs-legend li").all_inner_texts()
        assert words == ["weight_decay=0.1", "weight_decay=1", "weight_decay=3"]
        assert page.errors == []


def test_a_figure_and_its_data_are_saved(page, link):
    opened(page, f"{link}?runs=grokked")
    figure = page.locator(".gs-figure").first
    figure.hover()
    for word, start in (("PNG", b"\x89PNG"), ("SVG", b"<svg"), ("data", b"curve,x,y,z\n")):
        with page.expect_download() as download:
            figure.get_by_role("button", name=word, exact=True).click()
        with open(download.value.path(), "rb") as file:
            assert file.read().startswith(start)
    assert page.errors == []


def test_a_surface_is_turned(page, link):
    opened(page, f"{link}?section=activation_surfaces&runs=circuit", "activation_surfaces")
    scene = "document.querySelector('.gs-plot')._fullLayout.scene._scene"
    eye = f"() => JSON.stringify({scene}.getCamera().eye)"
    before = page.evaluate(eye)
    box = page.locator(".gs-plot .gl-container canvas").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4 + 80, box["y"] + box["height"] / 4 + 20, steps=8)
    page.mouse.up()
    page.wait_for_function(f"before => ({eye})() !== before", arg=before)
    assert page.errors == []


def test_a_run_is_followed_without_a_reload(page, tmp_path):
    command = [sys.executable, "-m", "grokscope", "train", "quick", "--out", str(tmp_path)]
    slow = ["stop=never", "steps=1000000", "checkpoint.every=200", "measure.every=50"]
    with subprocess.Popen([*command, "--name", "live", *slow], stderr=subprocess.DEVNULL) as train:
        try:
            with served(tmp_path) as link:
                page.goto(link)
                page.wait_for_function(DRAWN, arg="training_curves")
                page.evaluate("window.stays = true")
                count = """() => { const plot = document.querySelector(".gs-plot");
                  return plot?._fullData ? plot._fullData[0].x.length : 0; }"""
                page.wait_for_function(f"() => ({count})() > 3")
                before = page.evaluate(count)
                page.wait_for_function(f"before => ({count})() > before", arg=before)
                assert page.evaluate("window.stays")
                assert "training now" in page.locator(".gs-counts").inner_text()
                assert page.errors == []
        finally:
            train.kill()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_section_fits_its_window(browser, link, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(WAIT)
    errors = []
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.goto(link)
    page.wait_for_function(DRAWN, arg="training_curves")
    for name, _ in sections():
        choose(page, name)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert page.evaluate("document.body.classList.contains('dark')") == (scheme == "dark")
    context.close()
    assert errors == []
