"""History: Parquet segments, a function of the checkpoint they go up to.

A segment is named after the rows it holds and the hash of its bytes, so damage and gaps are seen
before anything is parsed. A finished run has one file, `<series>.parquet`, with the hash beside it.
"""

import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from grokscope.errors import NoValidStateError
from grokscope.store import reading
from grokscope.store.durable import check_fence, make_directory, set_aside, storage, write_file

Row = Mapping[str, float]
_EMPTY = pl.DataFrame({"step": pl.Series([], dtype=pl.Int64)})
_NAME = re.compile(r"rows_(\d{9})_(\d{9})_([0-9a-f]{16})\.parquet")


@dataclass(frozen=True)
class Segment:
    """Rows start..stop-1 of a series, in one file.

    Its bytes, after the row numbers that its name states, hash to one of `hashes`.
    """

    path: Path
    start: int
    stop: int
    hashes: tuple[str, ...]

    def content(self) -> bytes:
        """Return the bytes. Raises NoValidStateError where they do not match the hash."""
        content = reading.content(self.path)
        found = _hash(_stated(self.path.name) + content)
        if found not in self.hashes and found[:16] not in self.hashes:
            raise NoValidStateError(f"{self.path}: does not match its SHA-256")
        return content

    def frame(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return the rows, or some columns. Raises NoValidStateError where they cannot be read."""
        buffer = pa.BufferReader(self.content())
        try:
            # Half the time of pq.read_table, which looks for a dataset first.
            file = pq.ParquetFile(buffer, page_checksum_verification=True)
            table = file.read(columns=None if columns is None else list(columns), use_threads=False)
            frame = pl.DataFrame(pl.from_arrow(table))
        except (OSError, pa.ArrowException, pl.exceptions.PolarsError, MemoryError) as error:
            reason = " ".join(str(error).split())[:120]
            raise NoValidStateError(f"{self.path}: not a Parquet file ({reason})") from None
        kinds = dict(frame.schema)
        if kinds.pop("step", None) != pl.Int64 or not set(kinds.values()) <= {pl.Float64}:
            raise NoValidStateError(
                f"{self.path}: not a history: its columns are {table.schema.names}"
            )
        return frame


def append(run: Path, series: str, start: int, rows: Sequence[Row]) -> None:
    """Write rows, the first of which is row `start` of the series, as a new closed segment."""
    if rows:
        make_directory(run / series)
        _write_segment(run / series, start, _to_bytes(_table(rows)), len(rows))


def read(run: Path, series: str, *, gaps: bool = False) -> pl.DataFrame:
    """Return all rows of a series in order.

    Rows that two files hold are the same rows. With `gaps`, files that are damaged or missing are
    left out; otherwise they raise NoValidStateError.
    """
    frames: list[pl.DataFrame] = []
    next_row = 0
    for segment in segments(run, series):
        if segment.start > next_row and not gaps:
            raise NoValidStateError(
                f"{run / series}: rows {next_row} to {segment.start - 1} are missing"
            )
        try:
            frame = segment.frame()
        except NoValidStateError:
            if not gaps:
                raise
            continue
        stop = segment.start + len(frame)
        frames.append(frame.slice(max(next_row - segment.start, 0)))
        next_row = max(next_row, stop)
    return pl.concat([_EMPTY, *frames], how="diagonal")


def sketch(
    run: Path, series: str = "history", *, columns: Sequence[str] | None = None
) -> pl.DataFrame:
    """Return a series as it can be seen now, for looking only: `history`, or `clock` with its gaps.

    Unlike `Run.history` the rows are not held against a checkpoint, which takes most of the time of
    a long one; files are still held against their hashes. columns: read no others.
    Raises NoValidStateError where rows of the history are missing or damaged.
    """
    gaps = series == "clock"
    whole = run / f"{series}.parquet"
    if not whole.exists() or (run / series).exists():
        frame = read(run, series, gaps=gaps)
        return frame if columns is None else frame.select(c for c in columns if c in frame)
    try:
        return Segment(whole, 0, 0, tuple(_hashes(run / f"{series}.sha256"))).frame(columns)
    except NoValidStateError:
        if not gaps:
            raise
        return _EMPTY


def readable(run: Path, series: str) -> int:
    """Return how many rows can be read without a gap."""
    return len(prefix(run, series))


def prefix(run: Path, series: str) -> pl.DataFrame:
    """Return the rows of a series that can be read without a gap, in order."""
    frames: list[pl.DataFrame] = []
    rows = 0
    for segment in segments(run, series):
        if segment.start > rows:
            break
        try:
            frames.append(segment.frame().slice(rows - segment.start))
        except NoValidStateError:
            continue
        rows += len(frames[-1])
    return pl.concat([_EMPTY, *frames], how="diagonal")


def cut(run: Path, series: str, rows: int, *, aside: bool = False) -> None:
    """Keep the first `rows` rows of a series; damaged files are set aside, never deleted.

    aside: set aside the files of later rows too.
    """
    _set_damaged_aside(run, series)
    with storage(run / series):
        for segment in reversed(segments(run, series)):
            if segment.stop <= rows:
                continue
            if segment.start < rows:
                make_directory(run / series)
                kept = segment.frame().head(rows - segment.start)
                _write_segment(run / series, segment.start, _to_bytes(_arrow(kept)), len(kept))
            check_fence(segment.path)
            set_aside(segment.path, "replaced") if aside else segment.path.unlink()


def compact(run: Path, series: str) -> None:
    """Join all segments into `<series>.parquet` and remove them."""
    if series == "clock":
        _set_damaged_aside(run, series)
    frame = read(run, series, gaps=series == "clock")
    if not len(frame):
        return
    target, beside = run / f"{series}.parquet", run / f"{series}.sha256"
    content = _to_bytes(_arrow(frame))
    before = _hashes(beside)
    # Both hashes are valid while the file changes, so a crash at any point leaves a valid file.
    write_file(beside, "\n".join([*before, _hash(content)]).encode())
    write_file(target, content)
    write_file(beside, _hash(content).encode())
    folder = run / series
    with storage(folder):
        check_fence(folder)
        for path in sorted(folder.glob("rows_*.parquet")):
            path.unlink()
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _set_damaged_aside(run: Path, series: str) -> None:
    for segment in segments(run, series):
        try:
            segment.frame()
        except NoValidStateError:
            set_aside(segment.path)


def problems(run: Path, series: str) -> list[str]:
    """Return one line for each file of a series that cannot be read, and for gaps."""
    wrong = []
    for segment in segments(run, series):
        try:
            segment.frame()
        except NoValidStateError as error:
            wrong.append(str(error))
    if not wrong:
        try:
            read(run, series)
        except NoValidStateError as error:
            wrong.append(str(error))
    return wrong


def segments(run: Path, series: str) -> list[Segment]:
    """Return the files of a series in order of their first row."""
    found = []
    whole, beside = run / f"{series}.parquet", run / f"{series}.sha256"
    if whole.exists():
        hashes = _hashes(beside)
        found.append(Segment(whole, 0, _rows_of(whole, hashes), tuple(hashes)))
    named = [(path, _NAME.fullmatch(path.name)) for path in (run / series).glob("rows_*")]
    found += [Segment(path, int(m[1]), int(m[2]), (m[3],)) for path, m in named if m]
    return sorted(found, key=lambda segment: (segment.start, segment.stop))


def _rows_of(path: Path, hashes: Sequence[str]) -> int:
    try:
        return len(Segment(path, 0, 0, tuple(hashes)).frame())
    except NoValidStateError:
        return 0


def _hashes(beside: Path) -> list[str]:
    """Return the whole hashes in a file, or none where anything else is in it."""
    try:
        text = reading.content(beside, 1 << 10).decode(errors="replace")
    except NoValidStateError:
        return []
    return text.split("\n") if re.fullmatch(r"[0-9a-f]{64}(\n[0-9a-f]{64})*", text) else []


def _write_segment(folder: Path, start: int, content: bytes, count: int) -> Path:
    rows = f"rows_{start:09d}_{start + count:09d}"
    path = folder / f"{rows}_{_hash(_stated(rows) + content)[:16]}.parquet"
    write_file(path, content)
    return path


def _stated(name: str) -> bytes:
    """Return the row numbers a file's name states, which its hash covers too."""
    return name[:24].encode() if name.startswith("rows_") else b""


def _table(rows: Sequence[Row]) -> pa.Table:
    """Return rows as a table: `step` as int64, then every column in order of appearance.

    By way of polars: `pyarrow.array` imports pandas wherever it is installed, half a second.
    """
    columns = dict.fromkeys(name for row in rows for name in row)
    types = {"step": pl.Int64()}
    return _arrow(
        pl.DataFrame(
            [
                pl.Series(name, [row.get(name) for row in rows], types.get(name, pl.Float64()))
                for name in columns
            ]
        )
    )


def _arrow(frame: pl.DataFrame) -> pa.Table:
    return frame.rechunk().to_arrow()


def _to_bytes(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, write_page_checksum=True, compression="zstd")
    return buffer.getvalue()


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
