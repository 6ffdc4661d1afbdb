"""What a history promises: every row comes back with every bit, or its loss is said."""

import itertools
import math
import os
import pathlib
import struct
from hashlib import sha256

import polars as pl
import pytest

import grokscope
from grokscope.errors import NoValidStateError
from grokscope.store import checkpoint, history

GIVEN = [{"step": s, "loss": 1 / (s + 1), "acc": s / 100} for s in (0, 5, 10, 20, 30)]
DAMAGE = {
    "flipped": lambda content: bytes([content[0] ^ 1]) + content[1:],
    "truncated": lambda content: content[:-20],
    "empty": lambda content: b"",
}


class Crash(BaseException):
    """Ends a process between two operations."""


def numbers(frame):
    return frame.to_dict(as_series=False)


def table(given):
    names = list(dict.fromkeys(name for row in given for name in row))
    return {name: [row.get(name) for row in given] for name in names}


def write(run, given, *cuts, series="history"):
    """Append rows in segments that end at the places given."""
    for start, end in itertools.pairwise([0, *cuts, len(given)]):
        history.append(run, series, start, given[start:end])


def files(folder):
    """Return the content of every file below a folder by its path."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def segments(run, series="history"):
    return sorted((run / series).glob("rows_*.parquet"))


def is_noticed(run):
    """Whether a history says what is wrong, in one line, in both ways of asking."""
    lines = history.problems(run, "history")
    assert all(len(line.splitlines()) == 1 and str(run) in line for line in lines)
    try:
        history.read(run, "history")
    except NoValidStateError as error:
        return str(error) in lines
    return False


def crash_at(monkeypatch, number):
    """Crash instead of the operation of a number; return the list of those that were done."""
    done = []

    def crashing(original):
        def operate(*arguments, **options):
            if len(done) == number:
                raise Crash
            done.append(original.__name__)
            return original(*arguments, **options)

        return operate

    monkeypatch.setattr(history, "write_file", crashing(history.write_file))
    for name in ("unlink", "rmdir"):
        monkeypatch.setattr(pathlib.Path, name, crashing(getattr(pathlib.Path, name)))
    return done


def crashes(tmp_path, make, work):
    """Yield a run that crashed at each operation of some work, from the first to the last."""
    for number in itertools.count():
        run = tmp_path / str(number)
        run.mkdir()
        make(run)
        with pytest.MonkeyPatch.context() as monkeypatch:
            done = crash_at(monkeypatch, number)
            try:
                work(run)
            except Crash:
                crashed = True
            else:
                crashed = False
        assert len(done) == number
        if not crashed:
            return
        yield run


def compacting(run):
    history.compact(run, "history")


def test_what_is_read_is_what_was_appended(tmp_path):
    write(tmp_path, GIVEN, 3, 4)
    history.append(tmp_path, "history", len(GIVEN), [])
    frame = history.read(tmp_path, "history")
    assert numbers(frame) == table(GIVEN)
    assert frame.schema["step"] == pl.Int64
    assert len(list((tmp_path / "history").iterdir())) == 3
    assert history.readable(tmp_path, "history") == len(GIVEN)
    assert history.problems(tmp_path, "history") == []


def test_a_segment_is_named_after_its_rows_and_the_hash_of_both(tmp_path):
    write(tmp_path, GIVEN, 3)
    paths = segments(tmp_path)
    stated = [b"rows_000000000_000000003", b"rows_000000003_000000005"]
    hashes = [
        sha256(rows + path.read_bytes()).hexdigest()
        for rows, path in zip(stated, paths, strict=True)
    ]
    assert [path.name for path in paths] == [
        f"rows_000000000_000000003_{hashes[0][:16]}.parquet",
        f"rows_000000003_000000005_{hashes[1][:16]}.parquet",
    ]
    found = [(s.path, s.start, s.stop) for s in history.segments(tmp_path, "history")]
    assert found == [(paths[0], 0, 3), (paths[1], 3, 5)]


def test_two_series_of_a_run_do_not_mix(tmp_path):
    write(tmp_path, GIVEN, 2)
    write(tmp_path, GIVEN[:3], 1, series="clock")
    history.compact(tmp_path, "clock")
    history.cut(tmp_path, "clock", 2)
    assert numbers(history.read(tmp_path, "history")) == table(GIVEN)
    assert numbers(history.read(tmp_path, "clock")) == table(GIVEN[:2])


def test_a_series_that_was_never_written_is_empty(tmp_path):
    frame = history.read(tmp_path, "history")
    assert len(frame) == 0
    assert frame.columns == ["step"]
    history.append(tmp_path, "history", 0, [])
    history.cut(tmp_path, "history", 0)
    history.compact(tmp_path, "history")
    assert history.problems(tmp_path, "history") == []
    assert history.readable(tmp_path, "history") == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("compacted", [False, True])
def test_a_column_that_came_later_is_null_before(tmp_path, compacted):
    given = [*GIVEN, {"step": 40, "extra": 3.0}, {"step": 50, "loss": 0.5, "later": 4.0}]
    write(tmp_path, given, 3, 5, 6)
    if compacted:
        history.compact(tmp_path, "history")
    assert numbers(history.read(tmp_path, "history")) == table(given)
    assert history.read(tmp_path, "history")["extra"].to_list() == [None] * 5 + [3.0, None]


def test_numbers_keep_every_bit(tmp_path):
    values = [5e-324, 1e-308, math.pi, 1 / 3, -0.0, 0.0, 1e300, math.inf, -math.inf, math.nan]
    given = [{"step": 2**62 + i, "x": x} for i, x in enumerate(values)]
    write(tmp_path, given, 4)
    frames = [history.read(tmp_path, "history")]
    history.compact(tmp_path, "history")
    frames.append(history.read(tmp_path, "history"))
    history.cut(tmp_path, "history", len(given) - 1)
    frames.append(history.read(tmp_path, "history"))
    for frame, count in zip(frames, (10, 10, 9), strict=True):
        found = [struct.pack("<d", x) for x in frame["x"].to_list()]
        assert found == [struct.pack("<d", x) for x in values[:count]]
        assert frame["step"].to_list() == [row["step"] for row in given[:count]]


@pytest.mark.parametrize("compacted", [False, True])
@pytest.mark.parametrize("kept", range(7))
def test_cutting_keeps_the_first_rows(tmp_path, compacted, kept):
    write(tmp_path, GIVEN[:4], 2)
    if compacted:
        history.compact(tmp_path, "history")
    history.append(tmp_path, "history", 4, GIVEN[4:])
    history.cut(tmp_path, "history", kept)
    expected = GIVEN[:kept]
    frame = history.read(tmp_path, "history")
    assert frame["step"].to_list() == [row["step"] for row in expected]
    if expected:
        assert numbers(frame) == table(expected)
    assert history.readable(tmp_path, "history") == len(expected)
    history.append(tmp_path, "history", len(expected), [{"step": 40, "loss": 9.0}])
    assert history.read(tmp_path, "history")["step"].to_list()[-1] == 40
    history.compact(tmp_path, "history")
    assert numbers(history.read(tmp_path, "history"))["loss"] == [
        *(row["loss"] for row in expected),
        9.0,
    ]
    assert history.problems(tmp_path, "history") == []


@pytest.mark.parametrize("kind", sorted(DAMAGE))
@pytest.mark.parametrize("compacted", [False, True])
@pytest.mark.parametrize("kept", range(3))
def test_cutting_sets_what_is_damaged_aside_and_keeps_the_rows_before(
    tmp_path, compacted, kept, kind
):
    write(tmp_path, GIVEN, 2, 4)
    if compacted:
        history.cut(tmp_path, "history", 2)
        history.compact(tmp_path, "history")
        write(tmp_path, GIVEN, 2, 4)
        segments(tmp_path)[0].unlink()
    bad = segments(tmp_path)[-2]
    content = DAMAGE[kind](bad.read_bytes())
    bad.write_bytes(content)
    history.cut(tmp_path, "history", kept)
    assert history.read(tmp_path, "history")["step"].to_list() == [0, 5][:kept]
    assert (bad.parent / f"damaged_{bad.name}_0").read_bytes() == content
    history.append(tmp_path, "history", kept, GIVEN[kept:])
    history.compact(tmp_path, "history")
    assert numbers(history.read(tmp_path, "history")) == table(GIVEN)
    assert (bad.parent / f"damaged_{bad.name}_0").read_bytes() == content


@pytest.mark.parametrize("kind", sorted(DAMAGE))
def test_a_damaged_compact_file_is_set_aside_by_cutting(tmp_path, kind):
    for number in range(2):
        write(tmp_path, GIVEN)
        history.compact(tmp_path, "history")
        path = tmp_path / "history.parquet"
        content = DAMAGE[kind](path.read_bytes())
        path.write_bytes(content)
        history.cut(tmp_path, "history", 0)
        assert not path.exists()
        assert (tmp_path / f"damaged_history.parquet_{number}").read_bytes() == content
        assert history.problems(tmp_path, "history") == []
    write(tmp_path, GIVEN, 3)
    history.compact(tmp_path, "history")
    assert numbers(history.read(tmp_path, "history")) == table(GIVEN)


@pytest.mark.parametrize(
    "content", [b"", b"0" * 64, b"\xff" * 64], ids=["empty", "other", "binary"]
)
def test_a_run_with_a_damaged_hash_can_be_written_anew(tmp_path, content):
    write(tmp_path, GIVEN)
    history.compact(tmp_path, "history")
    whole = (tmp_path / "history.parquet").read_bytes()
    (tmp_path / "history.sha256").write_bytes(content)
    history.cut(tmp_path, "history", 0)
    assert (tmp_path / "damaged_history.parquet_0").read_bytes() == whole
    write(tmp_path, GIVEN, 3)
    history.compact(tmp_path, "history")
    assert (tmp_path / "history.parquet").read_bytes() == whole
    assert history.problems(tmp_path, "history") == []


def test_cutting_around_damage_keeps_no_row_from_after_the_cut(tmp_path):
    write(tmp_path, GIVEN, 2, 4)
    segments(tmp_path)[0].write_bytes(b"")
    history.cut(tmp_path, "history", 3)
    assert history.read(tmp_path, "history", gaps=True)["step"].to_list() == [10]


def test_joining_a_clock_with_damaged_files_deletes_none_of_them(tmp_path):
    write(tmp_path, GIVEN, 2, 4, series="clock")
    bad = segments(tmp_path, "clock")[1]
    content = DAMAGE["flipped"](bad.read_bytes())
    bad.write_bytes(content)
    history.compact(tmp_path, "clock")
    assert history.read(tmp_path, "clock")["step"].to_list() == [0, 5, 30]
    assert content in files(tmp_path).values()


def test_a_history_with_damaged_files_is_not_joined(tmp_path):
    write(tmp_path, GIVEN, 2, 4)
    segments(tmp_path)[1].write_bytes(b"")
    before = files(tmp_path)
    with pytest.raises(NoValidStateError, match="does not match its SHA-256"):
        history.compact(tmp_path, "history")
    assert files(tmp_path) == before


def test_compacting_joins_all_in_one_file_and_may_be_repeated(tmp_path):
    write(tmp_path, GIVEN, 1, 2, 3, 4)
    history.compact(tmp_path, "history")
    before = files(tmp_path)
    assert [path.name for path in before] == ["history.parquet", "history.sha256"]
    assert not (tmp_path / "history").exists()
    content, beside = before.values()
    assert beside.decode() == sha256(content).hexdigest()
    history.compact(tmp_path, "history")
    assert files(tmp_path) == before
    assert numbers(history.read(tmp_path, "history")) == table(GIVEN)


@pytest.mark.parametrize("number", range(1, 5))
def test_the_compact_file_does_not_depend_on_the_segments(tmp_path, number):
    given = [*GIVEN[:3], {"step": 15, "later": 1.0}, {"step": 17, "loss": 0.5}]
    contents = set()
    for cuts in [(), *itertools.combinations(range(1, 5), number)]:
        run = tmp_path / "-".join(map(str, ("run", *cuts)))
        run.mkdir()
        write(run, given, *cuts)
        history.cut(run, "history", 4)
        history.append(run, "history", 4, given[4:])
        history.compact(run, "history")
        contents.add((run / "history.parquet").read_bytes())
    assert len(contents) == 1


def test_a_long_compact_file_does_not_depend_on_the_segments(tmp_path):
    given = [{"step": i, "loss": math.sin(i)} for i in range(140_000)]
    contents = []
    for cuts in [(), (7,)]:
        run = tmp_path / str(cuts)
        run.mkdir()
        write(run, given, *cuts)
        history.compact(run, "history")
        contents.append(sha256((run / "history.parquet").read_bytes()).hexdigest())
    assert contents == contents[:1] * 2


def made_of_segments(run):
    write(run, GIVEN, 1, 3)


def made_of_a_compact_file_and_segments(run):
    write(run, GIVEN[:2])
    history.compact(run, "history")
    history.append(run, "history", 2, GIVEN[2:4])
    history.append(run, "history", 4, GIVEN[4:])


MADE = pytest.mark.parametrize(
    "make", [made_of_segments, made_of_a_compact_file_and_segments], ids=["segments", "both"]
)


@MADE
def test_a_crash_anywhere_in_compacting_loses_and_duplicates_no_row(tmp_path, make):
    write(tmp_path / "whole", GIVEN)
    history.compact(tmp_path / "whole", "history")
    expected = [(path.name, content) for path, content in files(tmp_path / "whole").items()]
    number = 0
    for run in crashes(tmp_path, make, compacting):
        assert numbers(history.read(run, "history")) == table(GIVEN)
        assert history.readable(run, "history") == len(GIVEN)
        assert history.problems(run, "history") == []
        history.compact(run, "history")
        assert [(path.name, content) for path, content in files(run).items()] == expected
        number += 1
    assert number == 3 + len(segments_of(make, tmp_path)) + 1


@MADE
@pytest.mark.parametrize("kept", range(6))
def test_a_history_cut_after_a_crash_of_compacting_keeps_the_first_rows(tmp_path, make, kept):
    for run in crashes(tmp_path, make, compacting):
        history.cut(run, "history", kept)
        assert history.read(run, "history")["step"].to_list() == [0, 5, 10, 20, 30][:kept]
        assert history.problems(run, "history") == []


def test_altered_rows_are_noticed_wherever_compacting_crashed(tmp_path):
    for run in crashes(tmp_path, made_of_a_compact_file_and_segments, compacting):
        for path, before in files(run).items():
            if path.suffix == ".parquet":
                for place in range(0, len(before), 100):
                    altered = bytearray(before)
                    altered[place] ^= 1
                    path.write_bytes(altered)
                    assert is_noticed(run), (path, place)
                path.write_bytes(before)


@MADE
@pytest.mark.parametrize("kept", range(5))
def test_a_cut_that_crashed_keeps_the_first_rows_when_repeated(tmp_path, make, kept):
    for run in crashes(tmp_path, make, lambda run: history.cut(run, "history", kept)):
        assert history.readable(run, "history") >= kept
        history.cut(run, "history", kept)
        assert history.read(run, "history")["step"].to_list() == [0, 5, 10, 20, 30][:kept]
        assert history.problems(run, "history") == []


def segments_of(make, tmp_path):
    run = tmp_path / "counted"
    run.mkdir()
    make(run)
    return segments(run)


def is_refused(run):
    try:
        history.read(run, "history")
    except NoValidStateError:
        return True
    return False


def one_file(run, name):
    """Write a short history and return the path of one of its files."""
    write(run, GIVEN[:2])
    if not name.startswith("rows"):
        history.compact(run, "history")
    (path,) = run.rglob(name)
    return path


EACH_FILE = pytest.mark.parametrize("name", ["rows_*", "history.parquet", "history.sha256"])


@EACH_FILE
def test_every_flipped_bit_is_noticed(tmp_path, name):
    path = one_file(tmp_path, name)
    before = path.read_bytes()
    silent = []
    with open(path, "r+b", buffering=0) as file:
        for place, bit in itertools.product(range(len(before)), range(8)):
            os.pwrite(file.fileno(), bytes([before[place] ^ 1 << bit]), place)
            if not is_refused(tmp_path):
                silent.append((place, bit))
            os.pwrite(file.fileno(), before[place : place + 1], place)
    assert silent == []
    assert path.read_bytes() == before
    assert history.problems(tmp_path, "history") == []


@EACH_FILE
def test_every_altered_byte_is_a_problem_and_leaves_no_row_to_count_on(tmp_path, name):
    path = one_file(tmp_path, name)
    before = path.read_bytes()
    for place in range(0, len(before), 3):
        altered = before[place] ^ 1 << place % 8
        path.write_bytes(before[:place] + bytes([altered]) + before[place + 1 :])
        assert is_noticed(tmp_path), place
        assert history.readable(tmp_path, "history") == 0, place


@EACH_FILE
def test_every_truncation_is_noticed(tmp_path, name):
    path = one_file(tmp_path, name)
    silent = []
    for end in reversed(range(path.stat().st_size)):
        os.truncate(path, end)
        if not is_refused(tmp_path):
            silent.append(end)
    assert silent == []


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"x" * 200, bytes(500)], ids=["empty", "magic", "text", "zeros"]
)
def test_what_is_no_parquet_file_is_named(tmp_path, content):
    write(tmp_path, GIVEN)
    (path,) = segments(tmp_path)
    path.write_bytes(content)
    with pytest.raises(NoValidStateError, match=rf"{path.name}: does not match its SHA-256$"):
        history.read(tmp_path, "history")
    assert len(history.problems(tmp_path, "history")) == 1


def test_bytes_that_match_their_hash_but_are_no_parquet_file_are_named(tmp_path):
    write(tmp_path, GIVEN)
    (path,) = segments(tmp_path)
    rows = "rows_000000005_000000006"
    digest = sha256(rows.encode() + b"rows").hexdigest()[:16]
    (tmp_path / "history" / f"{rows}_{digest}.parquet").write_bytes(b"rows")
    with pytest.raises(NoValidStateError, match=rf"{digest}\.parquet: not a Parquet file"):
        history.read(tmp_path, "history")
    assert history.readable(tmp_path, "history") == len(GIVEN)
    assert path.exists()


def test_a_compact_file_without_its_hash_is_not_trusted(tmp_path):
    write(tmp_path, GIVEN)
    history.compact(tmp_path, "history")
    (tmp_path / "history.sha256").unlink()
    with pytest.raises(NoValidStateError, match=r"history\.parquet: does not match its SHA-256"):
        history.read(tmp_path, "history")
    assert history.readable(tmp_path, "history") == 0


@pytest.mark.parametrize("pair", list(itertools.combinations(range(3), 2)))
def test_swapped_segments_are_noticed(tmp_path, pair):
    write(tmp_path, GIVEN[:3], 1, 2)
    one, other = (segments(tmp_path)[number] for number in pair)
    os.rename(one, tmp_path / "held")
    os.rename(other, one)
    os.rename(tmp_path / "held", other)
    assert is_noticed(tmp_path)
    assert len(history.problems(tmp_path, "history")) == 2
    assert history.readable(tmp_path, "history") == pair[0]


@pytest.mark.parametrize("cut", [2, 3])
def test_segments_that_exchanged_the_rows_in_their_names_are_noticed(tmp_path, cut):
    write(tmp_path, GIVEN[:4], cut)
    paths = segments(tmp_path)
    rows, hashes = zip(*(path.name.rsplit("_", 1) for path in paths), strict=True)
    for path, name, own in zip(paths, reversed(rows), hashes, strict=True):
        os.rename(path, path.with_name(f"{name}_{own}"))
    with pytest.raises(NoValidStateError, match="history"):
        history.read(tmp_path, "history")
    assert len(history.problems(tmp_path, "history")) > 0


def test_compact_files_of_two_runs_that_were_swapped_are_noticed(tmp_path):
    for name, given in (("one", GIVEN), ("other", GIVEN[:3])):
        write(tmp_path / name, given)
        history.compact(tmp_path / name, "history")
    os.replace(tmp_path / "one" / "history.parquet", tmp_path / "other" / "history.parquet")
    with pytest.raises(NoValidStateError, match=r"history\.parquet: does not match its SHA-256"):
        history.read(tmp_path / "other", "history")


@pytest.mark.parametrize(
    ("number", "lost"), [(0, "rows 0 to 0"), (1, "rows 1 to 2"), (2, "rows 3 to 3")]
)
def test_a_missing_segment_is_a_named_gap(tmp_path, number, lost):
    write(tmp_path, GIVEN, 1, 3, 4)
    segment = segments(tmp_path)[number]
    segment.unlink()
    with pytest.raises(NoValidStateError, match=rf"history: {lost} are missing$"):
        history.read(tmp_path, "history")
    assert history.problems(tmp_path, "history") == [f"{tmp_path / 'history'}: {lost} are missing"]
    first, last = (0, 1, 3, 4)[number], (1, 3, 4)[number]
    assert history.readable(tmp_path, "history") == first
    found = history.read(tmp_path, "history", gaps=True)
    assert numbers(found) == table(GIVEN[:first] + GIVEN[last:])


@pytest.mark.parametrize("kind", sorted(DAMAGE))
@pytest.mark.parametrize("number", range(4))
def test_damaged_segments_are_left_out_only_where_gaps_are_allowed(tmp_path, number, kind):
    write(tmp_path, GIVEN, 1, 3, 4)
    path = segments(tmp_path)[number]
    path.write_bytes(DAMAGE[kind](path.read_bytes()))
    first, last = (0, 1, 3, 4, 5)[number : number + 2]
    found = history.read(tmp_path, "history", gaps=True)
    assert numbers(found) == table(GIVEN[:first] + GIVEN[last:])
    assert history.readable(tmp_path, "history") == first
    assert history.problems(tmp_path, "history") == [f"{path}: does not match its SHA-256"]
    with pytest.raises(NoValidStateError, match=rf"{path.name}: does not match its SHA-256$"):
        history.read(tmp_path, "history")


def test_each_damaged_file_has_a_line_of_its_own(tmp_path):
    write(tmp_path, GIVEN, 1, 3, 4)
    bad = [segments(tmp_path)[number] for number in (0, 2)]
    for path in bad:
        path.write_bytes(b"")
    assert history.problems(tmp_path, "history") == [
        f"{path}: does not match its SHA-256" for path in bad
    ]


def test_a_damaged_compact_file_does_not_hide_the_segments_it_was_made_of(tmp_path):
    write(tmp_path, GIVEN, 1, 3)
    kept = files(tmp_path)
    history.compact(tmp_path, "history")
    (tmp_path / "history").mkdir()
    for path, content in kept.items():
        path.write_bytes(content)
    (tmp_path / "history.parquet").write_bytes(b"")
    assert history.readable(tmp_path, "history") == len(GIVEN)
    assert len(history.problems(tmp_path, "history")) == 1
    history.cut(tmp_path, "history", len(GIVEN))
    assert numbers(history.read(tmp_path, "history")) == table(GIVEN)


def stop_after(calls):
    asked = itertools.count()
    return lambda: next(asked) >= calls


def rows_counted(run):
    """Return how many rows of history each saved step counts."""
    return {step: checkpoint.read(run, step).facts["rows"] for step in checkpoint.steps(run)}


@pytest.mark.parametrize("kind", [*sorted(DAMAGE), "removed"])
@pytest.mark.parametrize("calls", [5, 23, 37])
def test_a_run_with_a_damaged_newest_segment_goes_on_from_the_rows_before_it(
    tmp_path, small_config, finished, kind, calls
):
    run = grokscope.train(
        small_config(), out=tmp_path, name="cut", stop_requested=stop_after(calls)
    )
    path = segments(run.path)[-1]
    left = int(path.name.split("_")[1])
    counted = rows_counted(run.path)
    expected = max(step for step, rows in counted.items() if rows <= left)
    assert 0 <= expected < calls
    content = DAMAGE[kind](path.read_bytes()) if kind in DAMAGE else b""
    path.write_bytes(content)
    if kind == "removed":
        path.unlink()
    records = []
    done = grokscope.resume(run, observer=records.append)
    assert [r.step for r in records] == sorted(r.step for r in records)
    lost = [step for step in counted if step > expected]
    assert lost
    whole = grokscope.open(finished)
    observed = {*whole.history["step"].to_list(), *whole.steps}
    assert records[0].step == min(step for step in observed if step > expected)
    for name in ("history.parquet", "history.sha256"):
        assert (done.path / name).read_bytes() == (finished / name).read_bytes()
    assert done.history["step"].to_list() == whole.history["step"].to_list()
    assert done.verify() == []
    for step in lost:
        assert (done.path / "checkpoints" / f"damaged_step_{step:09d}_0").is_dir()
    if kind != "removed":
        assert (path.parent / f"damaged_{path.name}_0").read_bytes() == content


@pytest.mark.parametrize("number", range(3))
def test_a_damaged_clock_changes_no_row_of_a_run_that_goes_on(
    tmp_path, small_config, finished, number
):
    run = grokscope.train(small_config(), out=tmp_path, name="cut", stop_requested=stop_after(37))
    segments(run.path)[-1].write_bytes(b"")
    segments(run.path, "clock")[number].write_bytes(b"")
    done = grokscope.resume(run)
    whole = grokscope.open(finished).history["step"].to_list()
    assert done.history["step"].to_list() == whole
    assert (done.path / "history.parquet").read_bytes() == (
        finished / "history.parquet"
    ).read_bytes()


@pytest.mark.parametrize("kind", sorted(DAMAGE))
def test_a_run_whose_first_rows_are_lost_is_left_alone(run_path, kind):
    path = run_path / "history.parquet"
    path.write_bytes(DAMAGE[kind](path.read_bytes()))
    before = files(run_path)
    with pytest.raises(NoValidStateError, match=r"counts \d+ rows of history, 0 can be read$"):
        grokscope.resume(run_path)
    after = files(run_path)
    owned = (".lock", ".owner")
    assert {p: after[p] for p in after if p.name not in owned} == {
        p: before[p] for p in before if p.name not in owned
    }
