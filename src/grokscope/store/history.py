"""History: Parquet segments with page checksums, a function of the checkpoint they go up to."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from grokscope.errors import NoValidStateError
from grokscope.store.durable import storage, write_file

Row = Mapping[str, float]
SCHEMA = 1


def append(folder: Path, rows: Sequence[Row]) -> None:
    """Write rows, ascending in `step`, as a new closed segment of `folder`."""
    if rows:
        first, last = int(rows[0]["step"]), int(rows[-1]["step"])
        with storage(folder):
            folder.mkdir(exist_ok=True)
        write_file(folder / f"{first:09d}-{last:09d}.parquet", encode(rows))


def encode(rows: Sequence[Row]) -> bytes:
    """Return rows as Parquet: `step` as int64, then every column in order of appearance."""
    columns = dict.fromkeys(name for row in rows for name in row)
    arrays = {
        name: pa.array(
            [row.get(name) for row in rows], pa.int64() if name == "step" else pa.float64()
        )
        for name in columns
    }
    return _to_bytes(pa.table(arrays))


def read(run: Path, series: str) -> pl.DataFrame:
    """Return all rows of a series (`history` or `clock`) in order of step.

    The compact file of a finished run and later segments are joined; a step that two of them hold
    is the same row. Raises NoValidStateError for a file whose checksums do not hold.
    """
    files = _files(run, series)
    if not files:
        return pl.DataFrame({"step": pl.Series([], dtype=pl.Int64)})
    frames = [_frame(path) for path in files]
    joined = pl.concat(frames, how="diagonal")
    return joined.unique("step", keep="first", maintain_order=True).sort("step")


def cut(run: Path, series: str, rows: int) -> None:
    """Keep the first `rows` rows of a series and drop the rest."""
    frame = read(run, series)
    if len(frame) <= rows:
        return
    kept = frame.head(rows)
    old = _files(run, series)
    last = int(kept["step"][-1]) if rows else -1
    folder = run / series
    with storage(folder):
        folder.mkdir(exist_ok=True)
        if rows:
            first = int(kept["step"][0])
            target = folder / f"{first:09d}-{last:09d}.parquet"
            write_file(target, _to_bytes(kept.to_arrow()))
            old = [path for path in old if path != target]
        for path in old:
            path.unlink()


def compact(run: Path, series: str) -> None:
    """Join all segments into `<series>.parquet` and remove them."""
    frame = read(run, series)
    if not len(frame):
        return
    write_file(run / f"{series}.parquet", _to_bytes(frame.to_arrow()))
    folder = run / series
    with storage(folder):
        for path in sorted(folder.glob("*.parquet")):
            path.unlink()
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def problems(run: Path, series: str) -> list[str]:
    """Return one line for each file of a series that cannot be read."""
    wrong = []
    for path in _files(run, series):
        try:
            _frame(path)
        except NoValidStateError as error:
            wrong.append(str(error))
    return wrong


def _files(run: Path, series: str) -> list[Path]:
    whole = run / f"{series}.parquet"
    return ([whole] if whole.exists() else []) + sorted((run / series).glob("[0-9]*.parquet"))


def _frame(path: Path) -> pl.DataFrame:
    try:
        content = pa.BufferReader(path.read_bytes())
        table = pq.read_table(content, page_checksum_verification=True)
        frame = pl.DataFrame(pl.from_arrow(table))
        if "step" not in frame.columns:
            raise NoValidStateError(f"{path}: has no column step")
        return frame.with_columns(pl.col("step").cast(pl.Int64))
    except (OSError, pa.ArrowException, pl.exceptions.PolarsError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise NoValidStateError(f"{path}: not a valid Parquet file ({reason})") from None


def _to_bytes(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, write_page_checksum=True, compression="zstd")
    return buffer.getvalue()
