import pytest

import grokscope
from grokscope.errors import ConfigError
from grokscope.store.writer import check_name

BAD = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "/etc/x",
    "/",
    ".hidden",
    "-o",
    "a b",
    "a\0b",
    "a\nb",
    "a\n",
    "x.tmp",
    "x" * 129,
    "x" * 300,
    "naïve",
    "a\\b",
    "$(true)",
]
GOOD = ["a", "7", "p17_lr1e-3_wd1.0", "lr=0.5+wd", "x" * 128]


@pytest.mark.parametrize("name", BAD, ids=ascii)
def test_a_name_that_is_no_plain_file_name_is_refused(name):
    with pytest.raises(ConfigError, match=r"^name: expected letters, digits and") as error:
        check_name(name)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("name", GOOD)
def test_a_plain_file_name_is_taken(name):
    assert check_name(name) == name


@pytest.mark.parametrize("name", [name for name in BAD if name], ids=ascii)
@pytest.mark.parametrize("how", ["argument", "configuration"])
def test_a_bad_name_writes_nothing_anywhere(tmp_path, name, how):
    out = tmp_path / "deep" / "runs"
    config = {
        "name": name if how == "configuration" else "fine",
        "steps": 1,
        "task": {"kind": "modular", "p": 5},
        "model": {"kind": "mlp", "width": 4},
        "optimizer": {"kind": "sgd"},
    }
    with pytest.raises(ConfigError, match=r"^name: "):
        grokscope.train(config, out=out, name=name if how == "argument" else None)
    assert list(tmp_path.iterdir()) == []
