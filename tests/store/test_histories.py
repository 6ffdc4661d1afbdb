import math
import random

import polars as pl
import pytest

from grokscope.errors import NoValidStateError
from grokscope.store import history

FLIPS = 200


def rows(*steps, **columns):
    return [{"step": s, "loss": 1 / (s + 1), "acc": s / 100, **columns} for s in steps]


def numbers(frame):
    return frame.to_dict(as_series=False)


def table(given):
    names = list(dict.fromkeys(name for row in given for name in row))
    return {name: [row.get(name) for row in given] for name in names}


def test_what_is_read_is_what_was_appended(tmp_path):
    history.append(tmp_path / "history", rows(0, 5, 10))
    history.append(tmp_path / "history", rows(20))
    history.append(tmp_path / "history", [])
    frame = history.read(tmp_path, "history")
    assert numbers(frame) == table(rows(0, 5, 10, 20))
    assert frame.schema["step"] == pl.Int64
    assert len(list((tmp_path / "history").iterdir())) == 2


def test_a_series_that_was_never_written_is_empty(tmp_path):
    frame = history.read(tmp_path, "history")
    assert len(frame) == 0
    assert frame.columns == ["step"]
    history.cut(tmp_path, "history", 0)
    history.compact(tmp_path, "history")
    assert history.problems(tmp_path, "history") == []
    assert list(tmp_path.iterdir()) == []


def test_a_column_that_came_later_is_null_before(tmp_path):
    history.append(tmp_path / "history", rows(0))
    history.append(tmp_path / "history", rows(5, extra=3.0))
    assert history.read(tmp_path, "history")["extra"].to_list() == [None, 3.0]


def test_numbers_keep_every_bit(tmp_path):
    values = [1e-308, math.pi, 1 / 3, -0.0, 1e300, math.inf]
    given = [{"step": i, "x": x} for i, x in enumerate(values)]
    history.append(tmp_path / "history", given)
    history.compact(tmp_path, "history")
    found = history.read(tmp_path, "history")["x"].to_list()
    assert [x.hex() for x in found] == [x.hex() for x in values]


@pytest.mark.parametrize("compacted", [False, True])
@pytest.mark.parametrize("kept", range(7))
def test_cutting_keeps_the_first_rows(tmp_path, compacted, kept):
    given = rows(0, 5, 10, 20, 30)
    history.append(tmp_path / "history", given[:2])
    history.append(tmp_path / "history", given[2:4])
    if compacted:
        history.compact(tmp_path, "history")
    history.append(tmp_path / "history", given[4:])
    history.cut(tmp_path, "history", kept)
    expected = given[:kept]
    frame = history.read(tmp_path, "history")
    assert frame["step"].to_list() == [row["step"] for row in expected]
    if expected:
        assert numbers(frame) == table(expected)
    history.append(tmp_path / "history", rows(40))
    assert history.read(tmp_path, "history")["step"].to_list()[-1] == 40


def test_compacting_joins_all_in_one_file_and_may_be_repeated(tmp_path):
    given = rows(0, 5, 10, 20)
    for row in given:
        history.append(tmp_path / "history", [row])
    history.compact(tmp_path, "history")
    assert [path.name for path in tmp_path.iterdir()] == ["history.parquet"]
    before = (tmp_path / "history.parquet").read_bytes()
    history.compact(tmp_path, "history")
    assert (tmp_path / "history.parquet").read_bytes() == before
    assert numbers(history.read(tmp_path, "history")) == table(given)


@pytest.mark.parametrize("cuts", [(1, 2, 3), (2,), (), (3,)])
def test_the_compact_file_does_not_depend_on_the_segments(tmp_path, cuts):
    given = rows(0, 5, 10, 20)
    contents = []
    for number, places in enumerate([(), cuts]):
        run = tmp_path / str(number)
        run.mkdir()
        for start, end in zip((0, *places), (*places, len(given)), strict=True):
            history.append(run / "history", given[start:end])
        history.compact(run, "history")
        contents.append((run / "history.parquet").read_bytes())
    assert contents[0] == contents[1]


def test_a_crash_between_compacting_and_removing_duplicates_no_row(tmp_path):
    for row in rows(0, 5, 10):
        history.append(tmp_path / "history", [row])
    kept = {path: path.read_bytes() for path in (tmp_path / "history").iterdir()}
    history.compact(tmp_path, "history")
    (tmp_path / "history").mkdir()
    for path, content in kept.items():
        path.write_bytes(content)
    assert numbers(history.read(tmp_path, "history")) == table(rows(0, 5, 10))


@pytest.mark.parametrize("part", ["pages", "footer"])
@pytest.mark.parametrize("compacted", [False, True])
def test_every_flipped_bit_is_noticed_or_harmless(tmp_path, compacted, part):
    given = rows(*range(0, 400, 5))
    history.append(tmp_path / "history", given)
    if compacted:
        history.compact(tmp_path, "history")
    (path,) = tmp_path.rglob("*.parquet")
    true = history.read(tmp_path, "history")
    before = path.read_bytes()
    footer = len(before) - 8 - int.from_bytes(before[-8:-4], "little")
    assert 0 < footer < len(before)
    bits = range(8 * footer) if part == "pages" else range(8 * footer, 8 * len(before))
    silent = []
    for bit in random.Random(0).sample(bits, FLIPS):
        flipped = bytearray(before)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            found = history.read(tmp_path, "history")
        except NoValidStateError as error:
            assert str(path) in str(error)  # noqa: PT017 - a flip may also be harmless
            assert len(str(error).splitlines()) == 1  # noqa: PT017
        else:
            if not found.equals(true, null_equal=True) or found.columns != true.columns:
                silent.append(bit)
    assert silent == []


@pytest.mark.parametrize("content", [b"", b"PAR1", b"x" * 200, bytes(500)])
def test_what_is_no_parquet_file_is_named(tmp_path, content):
    history.append(tmp_path / "history", rows(0))
    (path,) = (tmp_path / "history").iterdir()
    path.write_bytes(content)
    with pytest.raises(NoValidStateError, match=r"000000000-000000000\.parquet: not a valid"):
        history.read(tmp_path, "history")
    assert len(history.problems(tmp_path, "history")) == 1


def test_every_truncation_is_noticed(tmp_path):
    history.append(tmp_path / "history", rows(0, 5, 10))
    (path,) = (tmp_path / "history").iterdir()
    before = path.read_bytes()
    for end in random.Random(0).sample(range(len(before)), 60):
        path.write_bytes(before[:end])
        with pytest.raises(NoValidStateError, match="not a valid Parquet file"):
            history.read(tmp_path, "history")
