import pytest

from grokscope.config.document import Document
from grokscope.errors import ConfigError
from grokscope.sweeps.file import decode_sweep, load_sweep

GOOD = """
recipe: quick
grid:
  seed: [0, 1]
"""


def decoded(text, origin="a.yaml"):
    return decode_sweep(Document(origin, text))


def test_a_sweep_is_named_by_its_file_unless_it_says_otherwise():
    assert decoded(GOOD, "folder/depth.yaml").name == "depth"
    assert decoded(f"name: other{GOOD}").name == "other"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recipe: quick", r"a\.yaml: grid: nothing varies"),
        ("grid: {seed: [0]}", r"a\.yaml: recipe: required, but missing"),
        (
            f"{GOOD}hypothesis: [a]",
            r"a\.yaml:5: hypothesis: unknown key; did you mean 'hypotheses'",
        ),
        ("recipe: quick\ngrid: {seed: []}", r"grid: seed: expected at least one value"),
        ("recipe: quick\ngrid: {seed: 3}", r"a\.yaml:2: grid\.seed: expected a valid tuple|array"),
        (
            "recipe: quick\nzip: {seed: [0, 1], optimizer.lr: [1e-3]}",
            r"zip: expected as many values for each path, got seed has 2, optimizer\.lr has 1",
        ),
        (
            "recipe: quick\nrandom: {count: 2, draw: {seed: {uniform: [0, 1], choice: [1]}}}",
            r"random\.draw\.seed: expected one of choice, uniform, log_uniform, got "
            "choice, uniform",
        ),
        (
            "recipe: quick\nrandom: {count: 0, draw: {seed: {choice: [1]}}}",
            r"a\.yaml:2: random\.count: expected greater than or equal to 1|expected .*1",
        ),
        (f"name: ../up{GOOD}", r"name: expected letters, digits"),
        (f"executor: cloud{GOOD}", r"a\.yaml:1: executor: expected 'local', 'ray' or 'slurm'"),
        (f"seed: 1{GOOD}", r"a\.yaml:1: seed: unknown key"),
        (
            f"{GOOD}hypotheses: [a > b > c]",
            r"a\.yaml:5: hypothesis 'a > b > c': column 1 .*unknown",
        ),
        ("[]", r"a\.yaml: expected a mapping at the top"),
    ],
)
def test_a_mistake_is_one_line_that_names_its_place(text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        decoded(text)
    assert len(str(caught.value).splitlines()) == 1


def test_an_unknown_sweep_is_told_with_the_nearest_name():
    with pytest.raises(ConfigError, match="no sweep and no file 'sweep-quik'; did you mean"):
        load_sweep("sweep-quik")


def test_a_recipe_beside_the_file_is_found(tmp_path):
    (tmp_path / "mine.yaml").write_text("name: mine")
    (tmp_path / "sweep.yaml").write_text(GOOD.replace("quick", "mine.yaml"))
    assert load_sweep(tmp_path / "sweep.yaml").recipe == str(tmp_path / "mine.yaml")
    assert load_sweep(tmp_path).name == "sweep"
