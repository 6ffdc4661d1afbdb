"""Markup in anything of a run is shown as text, in reports of a run and of a sweep."""

import base64
import hashlib
import html
import json
import re
import shutil

import pytest

import grokscope
from grokscope.analyses.outcomes import leaves
from grokscope.analyses.sweep import analyze
from grokscope.config import load
from grokscope.plots.text import plain
from grokscope.reports.page import Library, encoded
from grokscope.reports.run import render
from grokscope.reports.sweep import render_sweep
from grokscope.store import create

ACTS = ["alert(1)", "top.hit=1", "fetch('//x')"]
SHAPES = [
    "<script>{}</script>",
    "</script><script>{}</script>",
    "</pre></td></table><script>{}</script>",
    "<img src=x onerror={}>",
    "<svg onload={}>",
    "<svg><script>{}</script></svg>",
    '<a href="javascript:{}">a</a>',
    '"><script>{}</script>',
    "' onmouseover='{}",
    '" autofocus onfocus="{}',
    "<iframe srcdoc='<script>{}</script>'></iframe>",
    "</title><script>{}</script>",
    "</style><script>{}</script>",
    "<!--><script>{}</script>-->",
    "]]><script>{}</script>",
    "<details open ontoggle={}>",
    "<math><mtext><script>{}</script></mtext></math>",
    "&lt;script&gt;{}&lt;/script&gt;",
    "&#60;script&#62;{}&#60;/script&#62;",
    "\\u003cscript\\u003e{}\\u003c/script\\u003e",
    "{{{{ {} }}}}",
    "{{% if 1 %}}{}{{% endif %}}",
    "<b>bold</b><br>{}",
    "%{{x}}<extra>{}</extra>",
]
PAYLOADS = [shape.format(act) for shape in SHAPES for act in ACTS]
assert len(set(PAYLOADS)) >= 60
ONE_EACH = [PAYLOADS[3 * number + number % 3] for number in range(len(SHAPES))]
"""Each shape once: a page is rendered for every one of them."""


@pytest.fixture(autouse=True)
def _light(monkeypatch):
    """Leave the library out: what remains of a page is our own."""
    monkeypatch.setattr("grokscope.reports.page.library", lambda: Library("", "none"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    config = {
        "notes": "here",
        "steps": 5,
        "task": {"kind": "modular", "p": 5},
        "model": {"kind": "mlp", "width": 4},
        "optimizer": {"kind": "sgd"},
    }
    return grokscope.train(config, out=tmp_path_factory.mktemp("markup"), name="run")


def file_name(payload):
    """Return what of a payload can be the name of a directory."""
    return payload.replace("/", "∕").replace("\0", "")[:120]


def infected(run, folder, payload):
    """Return a run with a payload in every field that a person or a program has written."""
    path = folder / file_name(payload)
    shutil.copytree(run.path, path)
    config = (path / "config.yaml").read_text()
    text = json.dumps(payload, ensure_ascii=False)
    config = re.sub(r"(?m)^notes: .*(\n  .*)*$", lambda _: f"notes: {text}", config)
    config = re.sub(r"(?m)^name: .*$", lambda _: f"name: {text}", config)
    config = re.sub(r"(?m)^tags: .*$", lambda _: f"tags: [{text}]", config)
    (path / "config.yaml").write_text(config)
    for name, change in (
        ("status.json", {"reason": payload, "outcome": payload}),
        ("provenance.json", {payload: payload, "packages": {payload: payload}}),
    ):
        content = json.loads((path / name).read_bytes())
        (path / name).write_bytes(json.dumps(content | change).encode())
    for place in path.glob("results/*/*/result.json"):
        content = json.loads(place.read_bytes())
        content["scalars"] = content.get("scalars", {}) | {payload: payload}
        place.write_bytes(json.dumps(content).encode())
    return grokscope.open(path)


def check(page):
    """Check that a page has no element, attribute, link or script that is not ours."""
    assert page.strange == []
    assert page.names.count("script") == 3
    links = [value for name, value in page.attributes if name == "href"]
    assert [link for link in links if not re.fullmatch(r"#[\w-]+|data:,", link)] == []
    digest = base64.b64encode(hashlib.sha256(page.program.encode()).digest()).decode()
    policies = [value for name, value in page.attributes if name == "content"]
    assert f"'sha256-{digest}'" in policies[0]
    assert [w for w in page.strings if re.search(r"<(?!br>|extra>|/extra>)", w)] == []


@pytest.mark.parametrize("payload", ONE_EACH)
def test_a_report_of_a_run_shows_markup_as_text(trained, tmp_path, payload, read):
    run = infected(trained, tmp_path, payload)
    page = read(render(run))
    check(page)
    shown = " ".join(payload.split())
    # Notes in head and configuration, the reason, the outcome, and name and value of provenance.
    assert page.text.count(shown) >= 6
    assert page.names.count("h1") == 1


@pytest.mark.parametrize("payload", ONE_EACH)
def test_a_report_of_a_sweep_shows_markup_as_text(tmp_path, payload, read, monkeypatch):
    for seed, lr in enumerate((0.1, 0.2, 0.1, 0.2)):
        config = load("quick", [f"seed={seed}", f"optimizer.lr={lr}"], environment={})
        path = tmp_path / f"{seed}"
        with create(path, config, {payload: payload}) as writer:
            for step in (0, 100):
                writer.measured(step, {"train_acc": 1.0, "test_acc": lr}, 0.0)
            writer.finish(compact=True, state="finished", step=100, grokked_at=100,
                          outcome="grokked", last={"test_acc": lr})  # fmt: skip
        path.rename(tmp_path / f"{seed}{file_name(payload)}")

    def infected_leaves(tree, prefix=""):
        found = leaves(tree, prefix)
        return found if prefix else found | {"model.word": f"{payload}{tree['optimizer']['lr']}"}

    monkeypatch.setattr("grokscope.analyses.outcomes.leaves", infected_leaves)
    found = analyze(grokscope.open_all(tmp_path))
    found.summary["problems"] = [payload]
    found.summary["hypotheses"] = [
        {"verdict": payload, "hypothesis": payload,
         "comparisons": [{"words": payload, "method": payload}]}
    ]  # fmt: skip
    page = read(render_sweep(found, title=payload, notes=payload))
    check(page)
    assert page.text.count(" ".join(payload.split())) >= 8
    for member in found.outcomes.members:
        assert " ".join(member.run.name.split()) in page.text
        assert any(plain(member.run.name) in word for word in page.strings)
    for group in found.outcomes.groups:
        assert payload in group.label
        assert " ".join(group.label.split()) in page.text
        assert plain(group.label) in page.strings


@pytest.mark.parametrize("payload", PAYLOADS)
def test_text_for_a_figure_is_read_back_by_plotly_as_it_was(payload):
    spelled = plain(payload)
    assert "<" not in spelled
    assert "%{" not in spelled
    assert html.unescape(spelled) == payload


def test_halves_of_characters_do_not_stop_a_report():
    assert encoded("a\ud800b") == b"a?b"
