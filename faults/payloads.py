"""Bytes that harm: what a failing disk does to a file, and what somebody malicious puts there."""

import builtins
import contextlib
import hashlib
import io
import json
import os
import pickle
import random
import resource
import signal
import struct
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

PAGE = 4096
Damage = Callable[[bytes, random.Random], bytes]


def flipped(content: bytes, rng: random.Random) -> bytes:
    """Return the content with one bit flipped."""
    bit = rng.randrange(8 * len(content))
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def truncated(content: bytes, rng: random.Random) -> bytes:
    """Return the first part of the content."""
    return content[: rng.randrange(len(content))]


def zeroed_page(content: bytes, rng: random.Random) -> bytes:
    """Return the content with one page of zeros, or nothing but zeros where it is smaller."""
    start = PAGE * rng.randrange(-(-len(content) // PAGE))
    zeros = bytes(min(PAGE, len(content) - start))
    return content[:start] + zeros + content[start + len(zeros) :]


def zero_tail(content: bytes, rng: random.Random) -> bytes:
    """Return the content with zeros from some byte on."""
    kept = rng.randrange(len(content))
    return content[:kept] + bytes(len(content) - kept)


# Of 600 trials 400, 100, 50 and 50.
DAMAGES: dict[str, tuple[Damage, int]] = {
    "bit flip": (flipped, 8),
    "truncation": (truncated, 2),
    "zeroed page": (zeroed_page, 1),
    "zero tail": (zero_tail, 1),
}


def shares(count: int) -> dict[str, int]:
    """Return how many of `count` trials each kind of damage gets; they add up to `count`."""
    total = sum(share for _, share in DAMAGES.values())
    given = {kind: count * share // total for kind, (_, share) in DAMAGES.items()}
    given["bit flip"] += count - sum(given.values())
    return given


def damaged(kind: str, content: bytes, rng: random.Random) -> bytes:
    """Return content damaged in one of the ways, never equal to what was given."""
    for _ in range(1000):
        changed = DAMAGES[kind][0](content, rng)
        if changed != content:
            return changed
    raise AssertionError(f"{kind}: cannot change {len(content)} bytes")


class _Call:
    """What unpickles as the result of a call."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def calls(marker: Path) -> dict[str, _Call]:
    """Return objects that make the file `marker` when they are unpickled."""
    make = f"open({str(marker)!r}, 'w').close()"
    return {
        "os.system": _Call(os.system, f"touch '{marker}'"),
        "eval": _Call(builtins.eval, make),
        "exec": _Call(builtins.exec, make),
        "open": _Call(builtins.open, str(marker), "w"),
        "Popen": _Call(subprocess.Popen, ["touch", str(marker)]),
    }


def pickles(marker: Path) -> dict[str, bytes]:
    """Return thirty pickles: five calls in six protocols."""
    return {
        f"{name}, protocol {protocol}": pickle.dumps(call, protocol)
        for name, call in calls(marker).items()
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    }


def torch_file(marker: Path) -> bytes:
    """Return what `torch.save` makes of an object that calls."""
    buffer = io.BytesIO()
    torch.save({"weight": torch.zeros(2), "call": calls(marker)["exec"]}, buffer)
    return buffer.getvalue()


def object_arrays(marker: Path) -> bytes:
    """Return an npz archive with an array of objects that call."""
    buffer = io.BytesIO()
    array = np.array([calls(marker)["exec"]], dtype=object)
    np.savez(buffer, allow_pickle=True, crossings=array)
    return buffer.getvalue()


def huge_array() -> bytes:
    """Return an npz archive whose only array says it has 10¹³ elements."""
    header = io.BytesIO()
    shape = {"descr": "<f8", "fortran_order": False, "shape": (10**13,)}
    np.lib.format.write_array_header_1_0(header, shape)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("crossings.npy", header.getvalue() + bytes(64))
    return buffer.getvalue()


def inflating_array() -> bytes:
    """Return an npz archive of a few megabytes that unpacks to three gigabytes of zeros."""
    elements = 3 * 2**27
    header = io.BytesIO()
    shape = {"descr": "<f8", "fortran_order": False, "shape": (elements,)}
    np.lib.format.write_array_header_1_0(header, shape)
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("crossings.npy", "w", force_zip64=True) as member,
    ):
        member.write(header.getvalue())
        for _ in range(elements // 2**21):
            member.write(bytes(2**24))
    return buffer.getvalue()


def tensors_file(header: bytes | dict[str, Any], data: bytes, length: int | None = None) -> bytes:
    """Return a safetensors file with the header, the data and the stated header length."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensors_files(names: dict[str, tuple[int, ...]]) -> dict[str, bytes]:
    """Return hostile safetensors files for tensors of these names and shapes."""

    def entry(dtype: str, shape: tuple[int, ...], start: int, stop: int) -> dict[str, Any]:
        return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, stop]}

    def sized(dtype: str, width: int) -> bytes:
        header, at = {}, 0
        for name, shape in names.items():
            stop = at + width * int(np.prod(shape))
            header[name], at = entry(dtype, shape, at, stop), stop
        return tensors_file(header, bytes(at))

    first, shape = next(iter(names.items()))
    size = 4 * int(np.prod(shape))
    whole = {name: entry("F32", shape, 0, size) for name in names}
    one = json.dumps(entry("F32", shape, 0, size))
    deep = b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    return {
        "header of 2^63 bytes": tensors_file({}, b"", 2**63),
        "header of 2^64 - 1 bytes": tensors_file({}, b"", 2**64 - 1),
        "header longer than the file": tensors_file({}, b"", 10**6),
        "header of no bytes": tensors_file(b"", b""),
        "header that is not JSON": tensors_file(b"\xff" * 64, bytes(64)),
        "header of deep lists": tensors_file(deep, b""),
        "overlapping tensors": tensors_file(whole, bytes(size)),
        "tensors beyond the end": tensors_file({first: entry("F32", shape, 0, size)}, b""),
        "offsets backward": tensors_file({first: entry("F32", shape, size, 0)}, bytes(size)),
        "negative offsets": tensors_file({first: entry("F32", shape, -size, 0)}, bytes(size)),
        "a shape of 2^60 elements": tensors_file({first: entry("F32", (2**60,), 0, 8)}, bytes(8)),
        "a shape that overflows": tensors_file(
            {first: entry("F32", (2**32, 2**32, 4), 0, 0)}, bytes(8)
        ),
        "a tensor of nothing": tensors_file({first: entry("F32", (0, 2**62), 0, 0)}, b""),
        "a type nobody knows": tensors_file({first: entry("F31", shape, 0, size)}, bytes(size)),
        "integers for floats": sized("I64", 8),
        "booleans for floats": sized("BOOL", 1),
        "one name twice": tensors_file(
            f'{{"{first}": {one}, "{first}": {one}}}'.encode(), bytes(size)
        ),
        "other names": tensors_file({"x": entry("F32", (2,), 0, 8)}, bytes(8)),
        "no tensors": tensors_file({}, b""),
        "ten thousand tensors": tensors_file(
            {f"t{i}": entry("U8", (), i, i + 1) for i in range(10_000)}, bytes(10_000)
        ),
    }


def parquet_bytes(table: pa.Table, **options: Any) -> bytes:
    """Return a table as Parquet."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, write_page_checksum=True, **options)
    return buffer.getvalue()


def parquets(whole: bytes, rng: random.Random) -> dict[str, bytes]:
    """Return hostile Parquet files, some made from a sound one."""
    length = struct.unpack("<I", whole[-8:-4])[0]
    body, footer = whole[: -8 - length], whole[-8 - length : -8]
    noise = rng.randbytes(length)
    steps = pa.array([0, 10], pa.int64())
    losses = pa.array([1.0, 0.5])
    extension = pa.schema(
        [
            pa.field("step", pa.int64()),
            pa.field(
                "loss",
                pa.float64(),
                metadata={
                    b"ARROW:extension:name": b"arrow.py_extension_type",
                    b"ARROW:extension:metadata": b"cos\nsystem\n(S'false'\ntR.",
                },
            ),
        ]
    )
    return {
        "footer of 2^32 - 1 bytes": whole[:-8] + b"\xff\xff\xff\xffPAR1",
        "footer of no bytes": whole[:-8] + b"\0\0\0\0PAR1",
        "footer cut in half": body + footer[: length // 2] + whole[-8:],
        "footer of noise": body + noise + whole[-8:],
        "footer of 0x1c": body + b"\x1c" * length + whole[-8:],
        "footer of lists in lists": body + b"\x19\xfc" * (length // 2) + whole[-8:],
        "nothing but magic": b"PAR1PAR1",
        "an encrypted one": b"PARE" + whole[4:-4] + b"PARE",
        "no column step": parquet_bytes(pa.table({"loss": losses})),
        "steps that are words": parquet_bytes(pa.table({"step": ["a", "b"], "loss": losses})),
        "losses that are words": parquet_bytes(pa.table({"step": steps, "train_acc": ["a", "b"]})),
        "losses that are lists": parquet_bytes(pa.table({"step": steps, "train_acc": [[1.0], []]})),
        "two columns of one name": parquet_bytes(
            pa.Table.from_arrays([steps, losses, losses], names=["step", "loss", "loss"])
        ),
        "no columns": parquet_bytes(pa.table({})),
        "no rows": parquet_bytes(pa.table({"step": steps[:0]})),
        "steps that go back": parquet_bytes(pa.table({"step": steps[::-1], "train_acc": losses})),
        "an extension type with a pickle": parquet_bytes(
            pa.Table.from_arrays([steps, losses], schema=extension)
        ),
    }


def many_rows(count: int) -> bytes:
    """Return a small Parquet file of that many empty rows."""
    schema = pa.schema([("step", pa.int64()), ("train_acc", pa.float64())])
    buffer = io.BytesIO()
    group = 10_000_000
    rows = pa.Table.from_arrays([pa.nulls(group, f.type) for f in schema], schema=schema)
    with pq.ParquetWriter(buffer, schema, compression="zstd", write_page_checksum=True) as writer:
        for _ in range(count // group):
            writer.write_table(rows, row_group_size=group)
    return buffer.getvalue()


def believed(path: Path) -> None:
    """Make the hashes that guard a changed file of a run those of its present content."""
    content = path.read_bytes()
    manifest = path.parent / "manifest.json"
    beside = path.with_suffix(".sha256")
    if path.name.startswith("rows_"):
        stated = path.name[:24]
        digest = hashlib.sha256(stated.encode() + content).hexdigest()[:16]
        path.rename(path.with_name(f"{stated}_{digest}.parquet"))
    elif path.suffix == ".parquet" and beside.exists():
        beside.write_text(hashlib.sha256(content).hexdigest())
    elif manifest.exists() and path != manifest:
        told = json.loads(manifest.read_bytes())
        told["sha256"][path.name] = hashlib.sha256(content).hexdigest()
        manifest.write_text(json.dumps(told))


class Overtime(BaseException):
    """What was to be quick was not; no handler of ordinary errors swallows it."""


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise Overtime in the block when the seconds are over, also out of a read that blocks."""

    def end(number: int, frame: FrameType | None) -> None:
        raise Overtime(f"not done after {seconds:.1f} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def more_memory(limit: int) -> Iterator[None]:
    """Let the block allocate at most `limit` bytes of address space beyond what is taken."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
