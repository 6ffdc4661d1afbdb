import dataclasses
import json
import math

import pytest

from grokscope.analyses.phase_diagram import phase_diagram
from grokscope.analyses.sweep import analyze
from grokscope.config import load
from grokscope.objectives.gate_cost import GateCost
from grokscope.plots import SWEEP_PLOTS
from grokscope.reports.sweep import render_sweep, write_sweep_report
from grokscope.store import Runs, create, open_all

LAST = 1000
# Weight decay, penalty, and for each seed the step of grokking, or how it ended otherwise.
GRID = {
    (1.0, 0.0): [400, 600],
    (1.0, 0.1): [500, "memorized"],
    (2.0, 0.0): [200, 300],
    (2.0, 0.1): ["diverged", "memorized"],
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    base = load("quick", ["model.kind=gated", "model.width=6"], environment={})
    for (decay, weight), ends in GRID.items():
        for seed, end in enumerate(ends):
            optimizer = dataclasses.replace(base.optimizer, weight_decay=decay)
            penalties = (GateCost(weight=weight),)
            config = dataclasses.replace(
                base, seed=seed, optimizer=optimizer, penalties=penalties, notes="<b>x</b>"
            )
            at = end if isinstance(end, int) else None
            last = {"test_acc": 1.0 if at else 0.2, "effective_depth": 3.0 - weight}
            with create(folder / f"wd{decay}-w{weight}-s{seed}", config, {}) as writer:
                for step in (0, 100, LAST):
                    writer.measured(step, {"train_acc": 1.0, **last}, 0.0)
                writer.finish(
                    compact=True,
                    state="finished",
                    step=LAST,
                    grokked_at=at,
                    outcome="grokked" if at else end,
                    last=last,
                )
    (folder / "broken").mkdir()
    (folder / "broken" / "config.yaml").write_text("<script>: [")
    return analyze(open_all(folder), ["success(weight_decay=2) < success(weight_decay=1)"])


every_plot = pytest.mark.parametrize("name", sorted(SWEEP_PLOTS))


@every_plot
def test_a_figure_of_a_sweep_can_be_drawn(found, name):
    part = SWEEP_PLOTS[name]
    assert part.applies(found)
    figure = part.function(found)
    assert figure.layout.height > 0
    assert json.loads(figure.to_json())["data"]
    assert part.caption.endswith(".")


@every_plot
def test_a_figure_of_one_run_can_be_drawn_or_does_not_apply(found, name):
    alone = analyze([found.outcomes.members[0].run])
    part = SWEEP_PLOTS[name]
    assert not part.applies(alone) or part.function(alone).data


def test_every_run_is_marked_at_its_time_by_how_it_ended(found):
    figure = SWEEP_PLOTS["grokking_times"].function(found)
    marks = {"circle": [], "triangle-up-open": [], "x-thin-open": []}
    for trace in figure.data:
        if trace.mode == "markers":
            marks[trace.marker.symbol] += list(trace.y)
    assert sorted(marks["circle"]) == [200, 300, 400, 500, 600]
    assert marks["triangle-up-open"] == [LAST, LAST]
    assert marks["x-thin-open"] == [LAST]


def test_the_heat_map_has_the_medians(found):
    (trace,) = SWEEP_PLOTS["sweep_heat_map"].function(found).data
    assert [list(row) for row in trace.text] == [
        ["500<br>2/2", "–<br>1/2"],
        ["250<br>2/2", "–<br>0/2"],
    ]
    assert trace.z[0][0] == pytest.approx(math.log10(500))
    assert trace.z[0][1] is None


def test_curves_start_at_one_and_fall_where_runs_grok(found):
    traces = [t for t in SWEEP_PLOTS["survival_curves"].function(found).data if t.mode == "lines"]
    curves = {t.name: dict(zip(t.x, t.y, strict=True)) for t in traces}
    assert curves["weight=0, weight_decay=2"] == {0: 1, 200: 0.5, 300: 0}


def test_the_phase_diagram_is_that_of_the_analysis(found):
    figure = SWEEP_PLOTS["accuracy_against_depth"].function(found)
    diagram = phase_diagram(Runs(tuple(member.run for member in found.outcomes.members)))
    front = next(trace for trace in figure.data if trace.name == "Pareto front")
    assert len(front.x) == diagram["on_front"].sum()


def test_a_report_of_a_sweep_is_one_page_with_verdicts_groups_and_runs(found, read, tmp_path):
    text = render_sweep(found, title="<i>decay</i>", notes="<script>alert(1)</script>")
    assert "<script>alert" not in text
    assert "&lt;i&gt;decay" in text
    page = read(text)
    assert page.names.count("script") == 3
    assert len(text.encode()) < 2_500_000
    assert "undecided" in text
    assert "5 of 8 runs in 4 groups grokked" in text
    assert "success(weight_decay=2) &lt; success(weight_decay=1)" in text
    assert "config.yaml" in text
    for member in found.outcomes.members:
        assert f"<td>{member.run.name}</td>" in text
    for name in SWEEP_PLOTS:
        assert f'id="{name}"' in text
        assert page.figures[name]["data"]
    links = [value[1:] for name, value in page.attributes if name == "href" and value[0] == "#"]
    assert set(links) <= {value for name, value in page.attributes if name == "id"}
    assert len(links) == page.names.count("h2")
    assert "optimizer.betas" in page.text
    assert "weight_decay" in page.text
    path = write_sweep_report(found, tmp_path / "report.html", title="a")
    assert path.read_text().startswith("<!doctype html>")
