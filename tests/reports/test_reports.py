import json
import re
import shutil

import pytest

import grokscope
from grokscope.plots import PLOTS
from grokscope.reports import write_report
from grokscope.reports.packing import expand, script
from grokscope.reports.page import library
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


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_report_is_one_page_in_every_condition(runs, condition, read):
    text = render(runs[condition])
    page = read(text)
    assert page.names.count("html") == page.names.count("main") == page.names.count("h1") == 1
    assert page.names.count("script") == 3
    assert runs[condition].name in page.text
    assert "weight_decay" in page.text
    applying = [part for part in PLOTS.values() if part.applies(runs[condition])]
    expected = 0 if condition == "nothing measured" else len(applying)
    assert page.names.count("figure") == expected


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_report_refers_to_nothing_outside(runs, condition, read):
    text = render(runs[condition])
    page = read(text)
    places = [value for name, value in page.attributes if name in ("src", "href", "action")]
    assert [place for place in places if not place.startswith("#")] == ["data:,"]
    policy = next(value for name, value in page.attributes if name == "content")
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    # Base64 may hold `//`; what it packs is looked at as text.
    own = text.replace(page.scripts[0], "").replace(page.scripts[1], "")
    for inlined in (own, script(page.payload)):
        assert re.findall(r"https?:|//[a-z]|@import|url\(", inlined) == []


def test_a_report_says_what_was_reached(runs, read):
    page = read(render(runs["plain"]))
    assert "unfinished" in page.text or "memorized" in page.text
    history = runs["plain"].history
    assert f"{history['test_acc'][-1]:.4f}" in page.text
    assert "Nothing was measured yet." in read(render(runs["nothing measured"])).text
    assert "stopped being a finite number" in read(render(runs["diverged"])).text
    assert "the objective is" in read(render(runs["diverged"])).text


def test_the_data_of_the_figures_are_in_the_page(runs, read):
    page = read(render(runs["plain"]))
    history = runs["plain"].history
    curves = [trace["y"] for trace in page.figures["training_curves"]["data"]]
    assert history["train_loss"][1:].to_list() in curves
    for name, part in PLOTS.items():
        assert (name in page.figures) == part.applies(runs["plain"])
        assert (("id", name) in page.attributes) == part.applies(runs["plain"])


def test_markup_in_anything_of_a_run_is_shown_as_text(tmp_path, read):
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
    page = read(text)
    assert page.names.count("script") == 3
    assert "img" not in page.names
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert page.text.count(evil) >= 4
    assert "49" not in "".join(page.words).partition("7*7")[2][:10]


def test_a_result_is_shown_with_its_numbers(runs, read):
    page = read(render(runs["plain"]))
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
    assert 1_000_000 < len(text.encode()) < 2_500_000
    assert run.verify() == []


def test_the_table_of_contents_leads_to_every_section(runs, read):
    for condition in CONDITIONS:
        page = read(render(runs[condition]))
        places = [value for name, value in page.attributes if name == "id"]
        links = [value[1:] for name, value in page.attributes if name == "href" and value[0] == "#"]
        assert len(set(places)) == len(places)
        assert set(links) <= set(places)
        assert len(links) == page.names.count("h2")


def test_the_numbers_at_the_start_and_the_end_are_in_a_table(runs, read):
    text = read(render(runs["grokked"])).text
    history = runs["grokked"].history
    assert "Start, step 0 Memorized, step 10 Grokked, step 20 End, step 30" in text
    for place in (0, -1):
        assert f"{history['train_loss'][place]:.4g}" in text


def test_the_library_comes_back_as_it_was(read):
    from plotly.offline import get_plotlyjs

    assert expand(library().packed) == get_plotlyjs()


@pytest.mark.parametrize("condition", ["plain", "circuit", "spectra", "gated"])
def test_an_ordinary_report_is_small(runs, condition):
    assert len(render(runs[condition]).encode()) < 5_000_000 / 2
