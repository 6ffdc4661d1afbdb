import json
import sys

import pytest

from grokscope import cli
from grokscope.errors import ConfigError
from grokscope.pipelines import hessian


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return the run of the quick pipeline and what the command printed."""
    out = tmp_path_factory.mktemp("pipeline")
    config = hessian.configuration(["threads=1"], quick=True)
    run = hessian.trained(config, out=out)
    hessian.spectra(run)
    return run, out


def test_the_command_makes_spectra_figures_and_a_report_and_says_where(made, monkeypatch, capsys):
    """And one line for the images that it cannot make without their tools."""
    run, out = made
    arguments = ["pipeline", "hessian", "--quick", "threads=1", "--json", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["grokscope", *arguments])
    monkeypatch.setattr("grokscope.plots.files.find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="0"):
        cli.main()
    ending = capsys.readouterr()
    told = json.loads(ending.out)
    assert told["run"] == str(run.path)
    assert told["spectrum"]["method"] == "exact"
    names = {path.rpartition("/")[2] for path in told["figures"]}
    assert {"spectrum_evolution.html", "dendrogram_animation.html", "gap_bar_code.html"} <= names
    assert all((run.path / "figures" / name).stat().st_size > 10_000 for name in names)
    assert "hessian_summary" in (run.path / "report.html").read_text()
    said = [line for line in ending.err.splitlines() if "HTML only" in line]
    assert len(said) == 1
    assert "images need kaleido" in said[0]


def test_the_whole_pipeline_has_thirty_checkpoints_of_the_shipped_network():
    config = hessian.configuration()
    assert config.steps == 40_000
    assert len(config.checkpoint.early) == 29
    assert (config.model.d_model, config.model.d_mlp, config.task.p) == (32, 0, 113)


def test_a_run_of_the_name_that_was_trained_otherwise_is_left_alone(made):
    _, out = made
    with pytest.raises(ConfigError, match="holds a run of another configuration"):
        hessian.trained(hessian.configuration(["seed=5"], quick=True), out=out)


def test_a_run_that_is_done_is_extended_only_where_more_steps_are_asked_for(made):
    run, out = made
    same = hessian.trained(hessian.configuration(["threads=1"], quick=True), out=out)
    assert same.status["step"] == run.status["step"] == 40
