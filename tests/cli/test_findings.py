import json
import shutil

import pytest


@pytest.fixture
def folder(run_path):
    """Return a folder with two runs."""
    shutil.copytree(run_path, run_path.with_name("other"))
    return run_path.parent


def test_a_folder_of_runs_is_analyzed(command, folder):
    ending = command("analyze", "sweep", folder, "hypothesis=success(all) >= 0.9")
    assert ending.code == 0
    assert "0/2" in ending.out or "2/2" in ending.out or "1/2" in ending.out
    assert "success(all) >= 0.9" in ending.out
    content = json.loads((folder / "analysis_summary.json").read_bytes())
    assert len(content["runs"]) == 2
    asked = command("analyze", "sweep", folder, folder, "--json")
    assert json.loads(asked.out)["groups"] == content["groups"]


def test_the_hypotheses_of_the_sweep_file_are_judged(command, folder):
    text = "recipe: quick\ngrid: {seed: [0, 1]}\nhypotheses: [success(all) >= 0]\n"
    (folder / "sweep.yaml").write_text(text)
    ending = command("analyze", "sweep", folder)
    assert "holds       success(all) >= 0\n" in ending.out


def test_a_folder_of_runs_is_reported(command, folder):
    ending = command("report", folder, "--figures", "html", "--json")
    written = json.loads(ending.out)["written"]
    assert written[:2] == [str(folder / "report.html"), str(folder / "analysis_summary.json")]
    assert str(folder / "figures" / "accuracy_overlay.html") in written


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["hypothesis=sucess(all) > 1"], "unknown statistic 'sucess'"),
        (["k=3"], "sweep: unknown option 'k=3'"),
    ],
)
def test_what_cannot_be_judged_is_exit_code_2(command, folder, arguments, words):
    ending = command("analyze", "sweep", folder, *arguments)
    assert ending.code == 2
    assert words in ending.err
    assert len(ending.err.splitlines()) == 1


def test_an_empty_folder_is_exit_code_2(command, tmp_path):
    ending = command("report", tmp_path)
    assert (ending.code, ending.err.count("no run in there")) == (2, 1)
