import json
import re
import shutil
from html.parser import HTMLParser

import pytest

import grokscope
from grokscope.plots import PLOTS
from grokscope.reports import write_report
from grokscope.reports.run import render

CONDITIONS = [
    "plain",
    "gated",
    "routed",
    "circuit",
    "memorized",
    "grokked",
    "at once",
    "no metrics",
    "one step",
    "only step 0",
    "diverged",
    "nothing measured",
]
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """The elements, attributes and text of a page; unbalanced elements are an error."""

    def __init__(self, text):
        super().__init__()
        self.open, self.names, self.attributes, self.words = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def light(monkeypatch):
    """Leave the library out, so that what remains of a page is our own."""
    monkeypatch.setattr("grokscope.reports.page.get_plotlyjs", lambda: "")


@pytest.mark.usefixtures("light")
@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_report_is_one_page_in_every_condition(runs, condition):
    text = render(runs[condition])
    page = Page(text)
    assert page.names.count("html") == page.names.count("main") == page.names.count("h1") == 1
    assert page.names.count("script") == 2
    assert runs[condition].name in page.text
    assert "weight_decay" in page.text
    applying = [part for part in PLOTS.values() if part.applies(runs[condition])]
    expected = 0 if condition == "nothing measured" else len(applying)
    assert page.names.count("figure") == expected


@pytest.mark.usefixtures("light")
@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_report_refers_to_nothing_outside(runs, condition):
    text = render(runs[condition])
    places = [value for name, value in Page(text).attributes if name in ("src", "href", "action")]
    assert places == ["data:,"]
    assert re.findall(r"https?:|//[a-z]|@import|url\(", text) == []


@pytest.mark.usefixtures("light")
def test_a_report_says_what_was_reached(runs):
    page = Page(render(runs["plain"]))
    assert "unfinished" in page.text or "memorized" in page.text
    history = runs["plain"].history
    assert f"{history['test_acc'][-1]:.4f}" in page.text
    assert "Nothing was measured yet." in Page(render(runs["nothing measured"])).text
    assert "stopped being a finite number" in Page(render(runs["diverged"])).text
    assert "the objective is" in Page(render(runs["diverged"])).text


@pytest.mark.usefixtures("light")
def test_the_data_of_the_figures_are_in_the_page(runs):
    text = render(runs["plain"])
    loss = runs["plain"].history["train_loss"][-1]
    assert repr(loss) in text
    for name, part in PLOTS.items():
        assert (f'id="{name}"' in text) == part.applies(runs["plain"])


@pytest.mark.usefixtures("light")
def test_markup_in_anything_of_a_run_is_shown_as_text(tmp_path):
    evil = "</script></pre><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}"
    config = {
        "notes": evil,
        "tags": [evil],
        "steps": 5,
        "task": {"kind": "modular", "p": 5},
        "model": {"kind": "mlp", "width": 4},
        "optimizer": {"kind": "sgd"},
    }
    run = grokscope.train(config, out=tmp_path, name="run")
    for name, change in (
        ("status.json", {"reason": evil, "outcome": "diverged"}),
        ("provenance.json", {evil: evil, "packages": {evil: evil}}),
    ):
        path = run.path / name
        path.write_bytes(json.dumps(json.loads(path.read_bytes()) | change).encode())
    text = render(grokscope.open(run.path))
    page = Page(text)
    assert page.names.count("script") == 2
    assert "img" not in page.names
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert page.text.count(evil) >= 4
    assert "49" not in "".join(page.words).partition("7*7")[2][:10]


@pytest.mark.usefixtures("light")
def test_a_result_is_shown_with_its_numbers(runs):
    page = Page(render(runs["plain"]))
    scalars = runs["plain"].results()["grokking_time"].scalars
    assert f"{scalars['flops_per_step']:,}" in page.text
    assert "Grokking time" in page.text


def test_a_report_is_written_where_asked_and_may_be_renewed(runs, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(runs["plain"].path, path)
    run = grokscope.open(path)
    assert write_report(run) == path / "report.html"
    assert write_report(run) == path / "report.html"
    assert write_report(run, tmp_path / "other.html") == tmp_path / "other.html"
    text = (path / "report.html").read_text()
    assert text == (tmp_path / "other.html").read_text()
    assert len(text) > 1_000_000
    assert run.verify() == []
