"""Reports as a browser shows them: nothing of a run is executed, every figure is drawn."""

import json
import shutil
from pathlib import Path

import pytest

import grokscope
from grokscope.reports import write_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PAYLOADS = [
    "</script><script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    "<svg onload=window.hit=1>",
    "<iframe srcdoc='<script>top.hit=1</script>'></iframe>",
    "<a href=javascript:window.hit=1>a</a>",
]
FIGURES = "[...document.querySelectorAll('[data-figure]')]"


@pytest.fixture(scope="module")
def browser():
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("no Chromium is installed")
    with sync.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def visit(browser):
    """Return a function that opens a report without network and waits until it is drawn."""
    contexts = []

    def open_page(path: Path, *, before="", width=1280, scheme="light"):
        size = {"width": width, "height": 800}
        context = browser.new_context(viewport=size, color_scheme=scheme, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.said, page.asked = [], []
        page.on("console", lambda m: page.said.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        if before:
            page.add_init_script(before)
        page.goto(path.as_uri())
        page.wait_for_function("document.documentElement.dataset.drawn", timeout=120_000)
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def report(runs, tmp_path_factory):
    return write_report(runs["plain"], tmp_path_factory.mktemp("browser") / "report.html")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_every_figure_is_drawn_and_nothing_is_asked_for(report, visit, width, scheme):
    page = visit(report, width=width, scheme=scheme)
    assert page.said == []
    assert page.asked == [report.as_uri()] or page.asked == [report.as_uri(), "data:,"]
    assert page.evaluate(f"{FIGURES}.every(node => node.querySelector('.main-svg'))")
    assert page.evaluate(f"{FIGURES}.length") > 1
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_switch_changes_the_colors_and_paper_is_light(report, visit):
    page = visit(report, scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    ink = f"{FIGURES}[0]._fullLayout.font.color"
    assert (page.evaluate(ground), page.evaluate(ink)) == ("rgb(20, 23, 26)", "#e6e8ea")
    page.click("text=Light")
    assert (page.evaluate(ground), page.evaluate(ink)) == ("rgb(251, 251, 250)", "#22262b")
    page.click("text=Dark")
    page.evaluate("addEventListener('beforeprint', () => { window.printed = " + ink + "; })")
    assert page.pdf(format="A4").startswith(b"%PDF")
    assert page.evaluate("window.printed") == "#22262b"
    assert page.evaluate(ink) == "#e6e8ea"
    page.emulate_media(media="print")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"


def test_a_browser_that_cannot_inflate_says_so(report, visit):
    page = visit(report, before="delete window.DecompressionStream")
    assert page.is_visible("#page-note")
    assert "need a browser that can inflate" in page.inner_text("#page-note")
    assert page.said == []


@pytest.mark.parametrize("payload", PAYLOADS)
def test_markup_is_not_executed(tmp_path, visit, payload):
    config = {
        "notes": payload,
        "tags": [payload],
        "steps": 5,
        "task": {"kind": "modular", "p": 5},
        "model": {"kind": "mlp", "width": 4},
        "optimizer": {"kind": "sgd"},
    }
    run = grokscope.train(config, out=tmp_path, name="run")
    for name in ("status.json", "provenance.json"):
        content = json.loads((run.path / name).read_bytes())
        change = {"reason": payload, payload: payload}
        (run.path / name).write_bytes(json.dumps(content | change).encode())
    page = visit(write_report(grokscope.open(run.path), tmp_path / "report.html"))
    assert page.evaluate("window.hit") is None
    assert page.said == []
    assert page.locator("iframe, main img, main svg[onload], a[href^=java]").count() == 0
    assert page.inner_text("main").count(payload) >= 3


def test_the_policy_refuses_a_script_that_is_not_ours(report, visit, tmp_path):
    text = report.read_text().replace("</main>", "<script>window.hit=1</script></main>")
    changed = tmp_path / "changed.html"
    changed.write_text(text)
    page = visit(changed)
    assert page.evaluate("window.hit") is None
    assert any("Content Security Policy" in words for words in page.said)
