import importlib
import json

import plotly.graph_objects as go
import pytest

from grokscope.metrics import METRICS
from grokscope.plots import PLOTS, Plot, save
from grokscope.plots import plot as register
from grokscope.plots.training_curves import training_curves

FULL = [
    "plain",
    "memorized",
    "grokked",
    "at once",
    "gated",
    "routed",
    "spectra",
    "circuit",
]
CONDITIONS = [*FULL, "no metrics", "one step", "only step 0", "diverged", "nothing measured"]

every_plot = pytest.mark.parametrize("name", sorted(PLOTS))


@every_plot
@pytest.mark.parametrize("condition", FULL)
def test_a_plot_shows_the_numbers_of_a_run(runs, name, condition):
    if not PLOTS[name].applies(runs[condition]):
        return  # there is nothing of the kind in this run, and a report leaves the figure out
    figure = PLOTS[name].function(runs[condition])
    assert isinstance(figure, go.Figure)
    assert figure.data
    for trace in figure.data:
        assert len(trace.x) > 1
        assert all(value is not None for value in trace.y)
        if trace.type == "heatmap":
            assert len(trace.z) == len(trace.y) > 1
            assert all(len(row) == len(trace.x) for row in trace.z)
            assert all(value is not None for row in trace.z for value in row)
        else:
            assert len(trace.x) == len(trace.y)
    assert json.loads(figure.to_json())["data"]
    assert figure.layout.height > 0


@every_plot
def test_a_plot_applies_to_some_run_and_is_left_out_of_others_reports(runs, name):
    found = {condition for condition in FULL if PLOTS[name].applies(runs[condition])}
    assert found
    if name not in ("training_curves", "measured_quantities"):
        assert "plain" not in found


@every_plot
@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_plot_can_be_drawn_in_every_condition(runs, name, condition):
    figure = PLOTS[name].function(runs[condition])
    assert json.loads(figure.to_json())["layout"]


@every_plot
def test_a_plot_has_a_label_and_a_meaning(name):
    part = PLOTS[name]
    assert part.name == name
    assert part.label.strip()
    assert part.caption.strip().endswith(".")
    assert (part.function.__doc__ or "").strip()


def test_the_curves_are_those_of_the_history(runs):
    run = runs["plain"]
    history = run.history
    later = [i for i, step in enumerate(history["step"]) if step > 0]
    drawn = [list(trace.y) for trace in training_curves(run).data]
    columns = ["train_acc", "test_acc", "train_loss", "test_loss"]
    assert drawn == [[history[column][i] for i in later] for column in columns]


@pytest.mark.parametrize(
    ("condition", "words"),
    [("plain", []), ("memorized", ["memorized 10"]), ("grokked", ["memorized 10", "grokked 20"])],
)
def test_the_curves_mark_what_was_reached(runs, condition, words):
    texts = [note.text for note in training_curves(runs[condition]).layout.annotations]
    assert [text for text in texts if text.startswith(("memorized", "grokked"))] == words
    assert any(text.startswith("lookup 0.") for text in texts)


def test_every_metric_of_a_run_has_a_panel(runs):
    run = runs["plain"]
    figure = PLOTS["measured_quantities"].function(run)
    labels = [METRICS[name].label for name in run.config.measure.metrics]
    assert [trace.name for trace in figure.data] == labels


def test_a_name_that_is_taken_is_refused():
    from grokscope.errors import ConfigError

    def training_curves(run):
        """Draw nothing."""

    with pytest.raises(ConfigError, match="the name 'training_curves' is taken"):
        register(label="Again")(training_curves)
    assert isinstance(PLOTS["training_curves"], Plot)
    assert PLOTS["training_curves"].label != "Again"


@pytest.fixture
def figure():
    return go.Figure(go.Scatter(x=[1, 2], y=[3, 4]))


def test_a_figure_as_html_needs_no_network(figure, tmp_path, monkeypatch):
    monkeypatch.setattr("plotly.io._html.get_plotlyjs", lambda: "")
    save(figure, tmp_path / "a.html")
    assert "http" not in (tmp_path / "a.html").read_text()


def test_a_figure_as_html_contains_the_library(figure, tmp_path):
    save(figure, tmp_path / "a.html")
    assert (tmp_path / "a.html").stat().st_size > 1_000_000


@pytest.mark.parametrize("name", ["a.gif", "a", "a.PNG2", "a.html.gz", ".png.txt"])
def test_another_ending_is_refused_in_one_line(figure, tmp_path, name):
    from grokscope.errors import ConfigError

    with pytest.raises(ConfigError, match=r"expected \.html, \.png, \.svg, \.pdf") as error:
        save(figure, tmp_path / name)
    assert len(str(error.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_an_image_without_its_tools_is_refused_in_one_line(figure, tmp_path, monkeypatch, ending):
    from grokscope.errors import ConfigError

    def fail(self, *args, **options):
        raise RuntimeError("Kaleido requires Google Chrome\n\nto be installed")

    module = importlib.import_module("grokscope.plots.files")
    monkeypatch.setattr(go.Figure, "write_image", fail)
    monkeypatch.setattr(module, "find_spec", lambda name: object())
    with pytest.raises(ConfigError, match="images need an installed Chrome or Chromium") as error:
        save(figure, tmp_path / f"a{ending}")
    assert len(str(error.value).splitlines()) == 1
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"images need kaleido: pip install"):
        save(figure, tmp_path / f"a{ending}")
