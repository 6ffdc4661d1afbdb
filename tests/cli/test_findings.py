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


def test_a_bare_file_of_curves_is_evaluated(command, run_path, tmp_path):
    file = tmp_path / "curves.csv"
    rows = "".join(f"{i},1,{int(i > 3)}\n" for i in range(8))
    file.write_text(f"epoch,train_acc,test_acc\n{rows}")
    ending = command("analyze", "grokking_time", file, "step=epoch")
    assert ending.code == 0
    assert "  outcome               grokked\n" in ending.out
    answered = json.loads(command("analyze", "grokking_time", file, "step=epoch", "--json").out)
    assert answered["results"][str(file)]["grokked_at"] == 4
    for arguments, words in (
        (["hessian_spectrum", file], "hessian_spectrum needs a run"),
        (["grokking_time", file, run_path], "not both at once"),
        (["grokking_time", file], "no column 'step'; say step=COLUMN (it has: epoch, train_acc"),
    ):
        ending = command("analyze", *arguments)
        assert (ending.code, words in ending.err) == (2, True), ending.err
