"""Power cuts: what the disk had not been told to keep is gone.

Where loop devices and mounting are allowed: a real ext4 that is shut down at a random moment by
its own ioctl and mounted again. Everywhere: the recorded calls of a process, replayed on a model
of a disk that keeps nothing but what was synced, a file by its own fsync and a name by its
folder's, and of everything later an arbitrary part.
"""

import contextlib
import fcntl
import os
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import shim
from board import Group, Score
from groups.syscalls import LESS
from server import Call, call, server
from shim import Event
from trials import RECIPES, TINY, Place, Recipe, Reference, caught, refer

from grokscope.errors import GrokscopeError
from grokscope.store import checkpoint, durable
from grokscope.store.writer import Writer

SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN, the same number as XFS_IOC_GOINGDOWN
FLUSH_LOG, KEEP_LOG = 1, 2
MOUNTS = ("loop", "loop,noauto_da_alloc", "loop,data=writeback,noauto_da_alloc")
STATES = ("nothing unsynced", "names only", "some")


def no_sync() -> None:
    """Break the build: nothing is synced."""
    os.fsync = lambda descriptor: None


def no_sync_of_names() -> None:
    """Break the build: files are synced, directories are not."""
    durable._sync_directory = lambda path: None


def record_saved(log: str) -> None:
    """Write into a record of calls when a checkpoint is said to be saved."""
    original = Writer.saved

    def saved(self: Writer, state: checkpoint.Checkpoint) -> None:
        original(self, state)
        with open(log, "a") as file:
            file.write(Event("saved", str(state.step)).encoded() + "\n")

    Writer.saved = saved


def run(count: int, seed: int, folder: Path) -> Score:
    """Cut the power `count` times: a third on real disks if possible, the others on the model."""
    score = Score("power")
    rng = np.random.default_rng(seed)
    cast = [refer(server(), folder, recipe) for recipe in (TINY, RECIPES[0], RECIPES[1])]
    why_not = cannot_loop(folder)
    real = 0 if why_not else max(count // 3, 1)
    for number in range(real):
        wrong = _cut_real(folder / f"real-{number}", cast[1 + number % 2], rng)
        score.failures += [f"ext4, trial {number}: {wrong}"] if wrong else []
    tapes = _tapes(folder, cast[0])
    for number in range(count - real):
        wrong = _cut_model(folder / f"model-{number}", tapes[number % len(tapes)], rng)
        score.failures += [f"model, trial {number}: {wrong}"] if wrong else []
    score.tried = count
    for mutant in (no_sync, no_sync_of_names):
        broken = _tape(folder / mutant.__name__, cast[0], None, (), call(mutant))
        score.caught[mutant.__name__] = caught(
            lambda n, m=mutant, tape=broken: _cut_model(folder / f"{m.__name__}-{n}", tape, rng), 40
        )
    if why_not:
        score.notes.append(f"ext4: skipped: {why_not}")
    else:
        score.caught["no_sync on ext4"] = caught(
            lambda n: _cut_real(folder / f"no-sync-{n}", cast[1], rng, call(no_sync)), 6
        )
    score.notes.append(f"{real} cuts of a real ext4, {count - real} of a model of a disk")
    return score


# Real disks


def cannot_loop(folder: Path) -> str:
    """Return why an ext4 in a file cannot be mounted and shut down here, or an empty string."""
    try:
        with Disk(folder / "may-loop").mounted("loop") as disk:
            disk.shut_down(KEEP_LOG)
    except (OSError, subprocess.CalledProcessError) as error:
        return str(getattr(error, "stderr", b"") or error).strip().splitlines()[-1]
    return ""


@dataclass(frozen=True)
class Disk:
    """An ext4 in a file, mounted in a folder beside it."""

    folder: Path

    @property
    def point(self) -> Path:
        """Where it is mounted."""
        return self.folder / "disk"

    @contextlib.contextmanager
    def mounted(self, options: str) -> Iterator["Disk"]:
        """Mount the disk, made first if need be; a journal is replayed by that."""
        image = self.folder / "image"
        if not image.exists():
            self.point.mkdir(parents=True)
            with image.open("wb") as file:
                file.truncate(24 << 20)
            _system("mkfs.ext4", "-q", "-F", str(image))
        _system("mount", "-t", "ext4", "-o", options, str(image), str(self.point))
        try:
            yield self
        finally:
            _system("umount", str(self.point))

    def shut_down(self, how: int) -> None:
        """Cut the disk off from its device, as a power cut does."""
        if os.stat(self.point).st_dev == os.stat(self.folder).st_dev:
            raise OSError(f"{self.point} is not a disk of its own")
        descriptor = os.open(self.point, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, SHUTDOWN, struct.pack("I", how))
        finally:
            os.close(descriptor)


def _system(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


def _cut_real(folder: Path, reference: Reference, rng: np.random.Generator, *before: Call) -> str:
    place = Place(server(), folder, reference)
    disk, options = Disk(folder), str(rng.choice(MOUNTS))
    how = int(rng.choice([FLUSH_LOG, KEEP_LOG]))
    with disk.mounted(options):
        child = place.start(*before)
        time.sleep(rng.uniform(0.2, 1.2) * reference.seconds)
        disk.shut_down(how)
        if rng.random() < 0.5:
            child.send(signal.SIGKILL)
        child.wait()  # how it ends is not what this group is about
    with disk.mounted(options):
        wrong = place.lost() or place.finish()
    place.clear()
    return f"{wrong} ({options}, flag {how})" if wrong else ""


# The model


@dataclass
class File:
    """Bytes as the process sees them, and as they were when they were last synced."""

    live: bytes = b""
    kept: bytes = b""

    def sync(self) -> None:
        """Keep what there is."""
        self.kept = self.live


@dataclass
class Folder:
    """Names as the process sees them, as last synced, and the changes since, in order."""

    live: dict[str, "Node"] = field(default_factory=dict)
    kept: dict[str, "Node"] = field(default_factory=dict)
    later: list[dict[str, "Node | None"]] = field(default_factory=list)

    def change(self, change: dict[str, "Node | None"]) -> None:
        """Change names, all of them or none."""
        _change(self.live, change)
        self.later.append(change)

    def sync(self) -> None:
        """Keep the names there are."""
        self.kept, self.later = dict(self.live), []


Node = File | Folder


def _change(names: dict[str, Node], change: dict[str, Node | None]) -> None:
    for name, node in change.items():
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


def replay(root: str, events: list[Event]) -> Folder:
    """Return the disk after some calls, with what of it is synced."""
    disk = Folder()

    def find(path: str) -> Any:
        node: Node = disk
        for part in Path(path).relative_to(root).parts:
            node = node.live[part]  # type: ignore[union-attr]
        return node

    for event in events:
        path = Path(event.path)
        if event.name.startswith("failed") or event.name in ("saved", "open"):
            continue
        if event.name in ("fsync", "fdatasync"):
            find(event.path).sync()
        elif event.name in ("write", "pwrite"):
            find(event.path).live += event.data
        elif event.name == "ftruncate":
            find(event.path).live = b""
        elif event.name == "rename":
            moved = find(event.path)
            if path.parent != Path(event.target).parent:
                raise ValueError(f"a move between folders: {event.path}")
            find(str(path.parent)).change({path.name: None, Path(event.target).name: moved})
        elif event.name in ("unlink", "rmdir"):
            find(str(path.parent)).change({path.name: None})
        elif event.name == "mkdir":
            find(str(path.parent)).change({path.name: Folder()})
        elif path.name not in find(str(path.parent)).live:
            find(str(path.parent)).change({path.name: File()})
        elif event.name == "create":
            find(event.path).live = b""
    return disk


def settle(node: Node, path: Path, state: str, rng: np.random.Generator) -> None:
    """Write down one state in which a power cut may leave a disk."""
    if isinstance(node, File):
        if state != "some" or node.live == node.kept:
            path.write_bytes(node.kept)
            return
        part = node.live[: int(rng.integers(len(node.live) + 1))]
        path.write_bytes([node.kept, node.live, part][int(rng.integers(3))])
        return
    path.mkdir(exist_ok=True)
    names = dict(node.kept)
    survive = {"nothing unsynced": 0, "names only": len(node.later)}
    for change in node.later[: survive.get(state, int(rng.integers(len(node.later) + 1)))]:
        _change(names, change)
    for name, child in names.items():
        settle(child, path / name, state, rng)


@dataclass(frozen=True)
class Tape:
    """The calls of a process that nothing disturbed, and the run as it found it."""

    reference: Reference
    root: str
    kept: tuple[Event, ...]
    more: tuple[str, ...]
    events: tuple[Event, ...]


def _tapes(folder: Path, reference: Reference) -> list[Tape]:
    """Return a whole run, and one that was shorter and goes on beyond its end."""
    shorter = Recipe("shorter", TINY.recipe, (*TINY.changes, f"steps={LESS}"))
    short = refer(server(), folder, shorter).path
    return [
        _tape(folder / "tape-0", reference, None, ()),
        _tape(folder / "tape-1", reference, short, ("steps=30",)),
    ]


def _tape(
    folder: Path, reference: Reference, kept: Path | None, more: tuple[str, ...], *before: Call
) -> Tape:
    place = Place(server(), folder, reference, kept=kept, more=more)
    place.disk.mkdir(exist_ok=True)
    log = str(folder / "events")
    there = tuple(_as_events(place.disk))
    recording = (call(shim.record, root=str(place.disk), log=log), call(record_saved, log=log))
    if place.once(*recording, *before):
        raise RuntimeError(place.said)
    return Tape(reference, str(place.disk), there, more, tuple(shim.recorded(Path(log))))


def _as_events(folder: Path) -> Iterator[Event]:
    """Return calls that make what lies in a folder, synced."""
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            yield Event("mkdir", str(path))
            yield from _as_events(path)
        else:
            yield Event("create", str(path))
            yield Event("write", str(path), data=path.read_bytes())
            yield Event("fsync", str(path))
    yield Event("fsync", str(folder))


def _cut_model(folder: Path, tape: Tape, rng: np.random.Generator) -> str:
    at, state = int(rng.integers(len(tape.events) + 1)), str(rng.choice(STATES))
    place = Place(server(), folder, tape.reference, more=tape.more)
    done = list(tape.events[:at])
    settle(replay(tape.root, [*tape.kept, *done]), place.disk, state, rng)
    wrong = ""
    for event in done:
        if event.name == "saved":
            try:
                checkpoint.read(place.path, int(event.path))
            except GrokscopeError as error:
                wrong = f"lost the checkpoint of step {event.path}: {error}"
    wrong = wrong or place.finish()
    place.clear()
    last = f"{tape.events[at - 1].name} {Path(tape.events[at - 1].path).name}" if at else "nothing"
    return f"{wrong} ({state}, after call {at}: {last})" if wrong else ""


GROUP = Group("power", run, quick=24, long=300)
