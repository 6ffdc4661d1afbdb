"""What a view asks for is what is shown: runs, colors, facets, scales, marks and words."""

import base64
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

from grokscope.dashboard.content import content, sections
from grokscope.dashboard.library import Library
from grokscope.dashboard.view import View

from .conftest import copied


def values(packed):
    """Return the numbers of plotly's typed array."""
    kinds = {"f4": np.float32, "i4": np.int32}
    return np.frombuffer(base64.b64decode(packed["bdata"]), kinds[packed["dtype"]])


def panel(found, key):
    return next(one for one in found["panels"] if one["key"] == key)


@pytest.fixture
def grid(runs, tmp_path):
    """Return two weight decays with three seeds each."""
    for number, (decay, seed) in enumerate((d, s) for d in ("1.0", "0.1") for s in range(3)):
        changes = {"weight_decay: 1.0": f"weight_decay: {decay}", "seed: 0\n": f"seed: {seed}\n"}
        copied(runs["grokked"], tmp_path, f"run-{number}", changes=changes)
    return Library(tmp_path)


def test_groups_come_from_configurations_not_from_names(grid):
    found = content(grid, View())
    assert [entry["word"] for entry in found["legend"]] == ["weight_decay=0.1", "weight_decay=1"]
    colors = {t["line"]["color"] for t in panel(found, "acc")["figure"]["data"] if "line" in t}
    assert colors == {entry["color"] for entry in found["legend"]}


def test_runs_are_colored_by_any_field(grid):
    found = content(grid, View(color="seed"))
    assert [entry["word"] for entry in found["legend"]] == ["seed=0", "seed=1", "seed=2"]


def test_facets_cut_by_any_field_on_one_scale(grid):
    found = content(grid, View(facet="optimizer.weight_decay"))
    losses = [p for p in found["panels"] if p["title"] == "Loss"]
    assert [p["subtitle"] for p in losses] == ["weight_decay=0.1", "weight_decay=1"]
    ranges = [p["figure"]["layout"]["yaxis"]["range"] for p in losses]
    assert ranges[0] == ranges[1]
    assert all(len(p["figure"]["data"]) == 6 for p in losses)  # 3 seeds, train and test


@pytest.mark.parametrize(
    ("where", "count"),
    [("weight_decay=0.1", 3), ("weight_decay=.1 seed=2", 1), ("run-5", 1), ("p=7", 0), ("", 6)],
)
def test_words_choose_runs(grid, where, count):
    found = content(grid, View(where=where))
    assert found["counts"] == f"{count} of 6 runs shown"


def test_scales_follow_the_metric_or_the_person(grid):
    def kind(view, key):
        return panel(content(grid, view), key)["figure"]["layout"]["yaxis"].get("type")

    assert kind(View(), "loss") == "log"
    assert kind(View(y_scale="linear"), "loss") != "log"
    assert kind(View(y_scale="log"), "acc") == "log"
    axis = panel(content(grid, View(x_scale="linear")), "acc")["figure"]["layout"]["xaxis"]
    assert axis.get("type") != "log"


def test_a_curve_is_the_history(runs, grid):
    trace = panel(content(grid, View(runs=("run-0",))), "acc")["figure"]["data"][0]
    history = runs["grokked"].history.filter(runs["grokked"].history["step"] > 0)
    assert values(trace["x"]).tolist() == history["step"].to_list()
    np.testing.assert_allclose(values(trace["y"]), history["test_acc"], rtol=1e-6)


def test_seconds_are_those_of_the_clock(runs, grid):
    trace = panel(content(grid, View(runs=("run-0",), x="seconds")), "acc")["figure"]["data"][0]
    history = runs["grokked"].history.filter(runs["grokked"].history["step"] > 0)
    np.testing.assert_allclose(values(trace["x"]), history["seconds"], rtol=1e-6)


def test_smoothing_weighs_the_past(grid):
    trace = panel(content(grid, View(runs=("run-0",), smooth=0.9)), "loss")["figure"]["data"][0]
    plain = panel(content(grid, View(runs=("run-0",))), "loss")["figure"]["data"][0]
    y, weights = values(plain["y"]), 0.9 ** np.arange(len(values(plain["y"])))[::-1]
    assert values(trace["y"])[-1] == pytest.approx((y * weights).sum() / weights.sum(), rel=1e-5)


def test_memorized_and_grokked_are_marked(grid):
    traces = panel(content(grid, View(runs=("run-0",))), "acc")["figure"]["data"]
    assert {t["name"]: t["x"] for t in traces if t["mode"] == "markers"} == {
        "memorized": [10.0],
        "grokked": [20.0],
    }


def test_phases_are_shaded_and_the_lookup_is_a_line(library):
    layout = panel(content(library, View(runs=("circuit",))), "acc")["figure"]["layout"]
    assert {shape["type"] for shape in layout["shapes"]} == {"rect", "line"}
    assert any(note["text"].startswith("lookup 0.") for note in layout["annotations"])


def test_long_curves_are_thinned_and_the_page_says_so(grid, monkeypatch):
    monkeypatch.setattr("grokscope.dashboard.quantities.POINTS", 4)
    monkeypatch.setattr("grokscope.dashboard.quantities.LEAST", 2)
    monkeypatch.setattr("grokscope.dashboard.content.POINTS", 4)
    monkeypatch.setattr("grokscope.dashboard.content.LEAST", 2)
    found = content(grid, View())
    assert "are drawn with at most 2; the highest and the lowest" in found["notes"][0]
    assert all(len(values(t["x"])) <= 2 for t in panel(found, "loss")["figure"]["data"])


def test_a_run_that_trains_is_followed(runs, tmp_path):
    path = copied(runs["plain"], tmp_path, "one")
    library = Library(tmp_path)
    assert not content(library, View())["live"]
    status = json.loads((path / "status.json").read_bytes())
    (path / "status.json").write_text(json.dumps(status | {"state": "running"}))
    assert content(library, View())["live"]
    other = runs["grokked"].path / "status.json"
    shutil.copy(other, path / "status.json")
    table = content(library, View(section="runs"))["table"]
    assert table["rows"][0][2:5] == ["30", "10", "20"]


def test_an_empty_folder_is_said_in_words(tmp_path):
    found = content(Library(tmp_path), View())
    assert found["notes"] == [f"There is no run in {tmp_path} that can be read."]
    assert found["counts"] == "0 of 0 runs shown"


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def turned(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


DAMAGES = {
    "config cut": lambda run: cut(run / "config.yaml"),
    "config not text": lambda run: (run / "config.yaml").write_bytes(b"\xff\xfe\x00"),
    "config of another kind": lambda run: (run / "config.yaml").write_text("- 1\n- 2\n"),
    "config a folder": lambda run: ((run / "config.yaml").unlink(), (run / "config.yaml").mkdir()),
    "config missing": lambda run: (run / "config.yaml").unlink(),
    "status cut": lambda run: cut(run / "status.json"),
    "status missing": lambda run: (run / "status.json").unlink(),
    "status a list": lambda run: (run / "status.json").write_text("[]"),
    "provenance cut": lambda run: cut(run / "provenance.json"),
    "history cut": lambda run: cut(run / "history.parquet"),
    "history turned": lambda run: turned(run / "history.parquet"),
    "hash wrong": lambda run: (run / "history.sha256").write_text("0" * 64),
    "history of text": lambda run: (run / "history.parquet").write_text("step,acc\n1,2\n"),
}


def test_fifty_damaged_runs_hide_no_other_and_have_their_reasons(runs, tmp_path):
    names = [f"run-{number:03}" for number in range(200)]
    for name in names:
        shutil.copytree(runs["grokked"].path, tmp_path / name)
    damaged = dict(zip(names[::4], cycle(DAMAGES.items()), strict=False))
    for name, (_, damage) in damaged.items():
        damage(tmp_path / name)
    found = content(Library(tmp_path), View(section="runs"))
    assert len(found["table"]["rows"]) == 150
    assert {row[0] for row in found["table"]["rows"]} == set(names) - set(damaged)
    assert len(found["problems"]) == 50
    for name in damaged:
        assert sum(name in line for line in found["problems"]) == 1
    assert all(0 < len(line) < 300 and "\n" not in line for line in found["problems"])


def files(folder: Path):
    return {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in folder.rglob("*")}


def test_looking_writes_nothing(shelf_of):
    before = files(shelf_of)
    library = Library(shelf_of)
    for section, _ in sections():
        for detail in ("circuit", "spectra", "gated"):
            content(library, View(section=section, detail=detail, color="task.p", smooth=0.5))
    assert files(shelf_of) == before


def test_many_may_look_at_once(grid):
    with ThreadPoolExecutor(8) as pool:
        sections = ["training_curves", "runs", "model_properties", "sweep"] * 6
        found = list(pool.map(lambda name: content(grid, View(section=name)), sections))
    assert [one["section"] for one in found] == sections
    assert all(one["notes"] == [] for one in found)
