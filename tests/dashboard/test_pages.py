"""Every metric and every plot has its place on a page, and every page shows what there is."""

import ast
import json
from pathlib import Path

import pytest

from grokscope.dashboard import pages
from grokscope.dashboard.content import HOME, content, sections
from grokscope.dashboard.pages import PAGES
from grokscope.dashboard.view import View
from grokscope.metrics import METRICS
from grokscope.plots import PLOTS, SWEEP_PLOTS

FOLDER = Path(pages.__file__).parent
ELSEWHERE = {
    "training_curves": "drawn by the page itself, with its controls",
    "measured_quantities": "each metric has a panel of its own",
    "accuracy_overlay": "part of sweep_panel",
}


def literals():
    """Return every string that a file of a page holds."""
    trees = [ast.parse(path.read_text()) for path in FOLDER.glob("*.py")]
    return {
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_the_sections_are_those_that_researchers_know():
    assert [label for _, label in sections()] == [
        "Runs",
        "Training Curves",
        "Loss Landscape",
        "Model Properties",
        "Optimizer Dynamics",
        "Fourier",
        "Spectra",
        "Activation Surfaces",
        "Routing and Gates",
        "Torus",
        "Sweep",
    ]


def test_every_group_of_metrics_is_on_a_page():
    assert {metric.group for metric in METRICS.values()} <= literals()


@pytest.mark.parametrize("name", [*PLOTS, *SWEEP_PLOTS])
def test_every_plot_is_on_a_page(name):
    assert name in literals() or ELSEWHERE.get(name)


@pytest.mark.parametrize("section", [HOME, *PAGES])
def test_a_section_shows_a_folder_with_every_kind_of_run(library, section):
    found = content(library, View(section=section))
    assert found["section"] == section
    assert found["panels"] or found["table"] or found["notes"] == [PAGES[section].empty]
    assert json.loads(json.dumps(found, allow_nan=False)) == json.loads(json.dumps(found))


@pytest.mark.parametrize(
    ("run", "section", "keys"),
    [
        ("circuit", "fourier", {"circuit_losses", "embedding_waves_map", "frequency_ablation"}),
        ("circuit", "torus", {"torus_energy"}),
        ("circuit", "activation_surfaces", {"activation_waves"}),
        ("spectra", "spectra", {"hessian_summary", "dendrogram_animation", "gap_bar_code"}),
        ("gated", "routing_and_gates", {"gate_evolution", "depth_over_accuracy"}),
        ("routed", "routing_and_gates", {"head_utilization", "dominant_heads"}),
        ("plain", "training_curves", {"acc", "loss"}),
        ("plain", "model_properties", {"weight_norm"}),
        ("grokked", "sweep", {"sweep_panel", "grokking_times"}),
    ],
)
def test_a_run_shows_what_it_has(library, run, section, keys):
    found = content(library, View(section=section, runs=(run,)))
    assert keys <= {panel["key"] for panel in found["panels"]}


def test_a_page_without_anything_says_what_to_do(library):
    found = content(library, View(section="spectra", runs=("plain",)))
    assert found["notes"] == ["No spectrum is stored. Run: grokscope analyze hessian_spectrum RUN"]
    assert found["panels"] == []
