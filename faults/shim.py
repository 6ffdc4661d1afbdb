"""Between a process and its disk: counts the calls that change what lies below a folder.

At a chosen one of them the process dies or the call fails; or all of them are written down. A
write counts as done when it has left the process, so every call here is one the kernel sees.
"""

import base64
import builtins
import dataclasses
import io
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PHASES = ("before", "half", "after")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


@dataclass(frozen=True)
class Event:
    """One call: what it is, on which path, and for some calls where to or with which bytes."""

    name: str
    path: str
    target: str = ""
    data: bytes = b""

    def encoded(self) -> str:
        """Return the event as one line."""
        data = base64.b64encode(self.data).decode()
        return json.dumps([self.name, self.path, self.target, data])

    @classmethod
    def decoded(cls, line: str) -> "Event":
        """Return the event of a line."""
        name, path, target, data = json.loads(line)
        return cls(name, path, target, base64.b64decode(data))


Perform = Callable[[], Any]
Gate = Callable[[Event, Perform, Perform], Any]
"""(event, perform the call, perform half of it) -> its value."""


def kill_at(root: str, number: int, phase: str) -> None:
    """Die at call `number` (from 0) that changes something below root: before, half-way, after."""
    seen = 0

    def gate(event: Event, perform: Perform, half: Perform) -> Any:
        nonlocal seen
        seen += 1
        if seen - 1 != number:
            return perform()
        try:
            return {"before": lambda: None, "half": half, "after": perform}[phase]()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)

    install(root, gate)


def fail_at(root: str, number: int, code: int, lasting: bool, reads: bool = False) -> None:
    """Fail with an error number at one call, or from it on; a failing write leaves half its bytes.

    reads: count the opening of files to read instead of the calls that change something.
    """
    seen = 0

    def gate(event: Event, perform: Perform, half: Perform) -> Any:
        nonlocal seen
        if (event.name == "read") != reads:
            return perform()
        seen += 1
        if seen - 1 == number or (lasting and seen - 1 > number):
            half()
            raise OSError(code, os.strerror(code), event.path)
        return perform()

    install(root, gate, reads=reads)


def record(root: str, log: str, reads: bool = False) -> None:
    """Write every call into a file, one a line; one that fails is told by its name."""
    lines = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def gate(event: Event, perform: Perform, half: Perform) -> Any:
        told = dataclasses.replace(event, name=f"failed {event.name}")
        try:
            value = perform()
            told = event
        finally:
            os.write(lines, (told.encoded() + "\n").encode())
        return value

    install(root, gate, reads=reads)


def recorded(log: Path) -> list[Event]:
    """Return the calls in such a file."""
    return [Event.decoded(line) for line in log.read_text().splitlines()]


@dataclass
class _File:
    """A file open for writing; each write is let through its gate and leaves the process."""

    file: Any
    path: str
    gate: Gate

    def write(self, data: Any) -> int:
        """Write all, or half."""

        def put(part: Any) -> int:
            count: int = self.file.write(part)
            self.file.flush()
            return count

        raw = data.encode() if isinstance(data, str) else bytes(data)
        event = Event("write", self.path, data=raw)
        written: int = self.gate(event, lambda: put(data), lambda: put(data[: len(data) // 2]))
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *exception: object) -> None:
        self.file.close()


def install(root: str, gate: Gate, *, reads: bool = False) -> None:
    """Let every call that changes something below root pass a gate; with reads, opens for reading.

    What it replaces are the functions of `os` and `open`, on which pathlib and shutil stand.
    """
    root = os.path.realpath(root)

    def below(path: str) -> bool:
        return path == root or path.startswith(root + os.sep)

    def pass_gate(event: Event, perform: Perform, half: Perform = lambda: None) -> Any:
        return gate(event, perform, half) if below(event.path) else perform()

    def on_path(name: str, original: Any) -> Any:
        def changed(path: Any, *args: Any, **options: Any) -> Any:
            event = Event(name, _place(path, options.get("dir_fd")))
            return pass_gate(event, lambda: original(path, *args, **options))

        return changed

    def on_descriptor(name: str, original: Any) -> Any:
        def changed(descriptor: int, *args: Any) -> Any:
            data = args[0] if name == "pwrite" else b""
            event = Event(name, os.readlink(f"/proc/self/fd/{descriptor}"), data=data)
            return pass_gate(event, lambda: original(descriptor, *args))

        return changed

    def on_two_paths(original: Any) -> Any:
        def changed(source: Any, target: Any, **options: Any) -> Any:
            event = Event("rename", _place(source), _place(target))
            return pass_gate(event, lambda: original(source, target, **options))

        return changed

    open_descriptor, open_file = os.open, builtins.open

    def descriptor_of(path: Any, flags: int, *args: Any, **options: Any) -> int:
        name = _name_of_open(flags)
        event = Event(name, _place(path, options.get("dir_fd")))
        if name == "read" and not reads:
            return open_descriptor(path, flags, *args, **options)
        descriptor: int = pass_gate(event, lambda: open_descriptor(path, flags, *args, **options))
        return descriptor

    def file_of(path: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
        if isinstance(path, int) or not below(_place(path)):
            return open_file(path, mode, *args, **options)
        if not set(mode) & set("wax+"):
            event = Event("read", _place(path))
            opened = lambda: open_file(path, mode, *args, **options)  # noqa: E731
            return pass_gate(event, opened) if reads else opened()
        event = Event("create", _place(path))
        file = pass_gate(event, lambda: open_file(path, mode, *args, **options))
        return _File(file, _place(path), pass_gate)

    os.open = descriptor_of  # type: ignore[assignment]
    builtins.open = io.open = file_of  # type: ignore[assignment]
    for name in ("mkdir", "rmdir", "unlink", "truncate"):
        setattr(os, name, on_path(name, getattr(os, name)))
    os.remove = os.unlink
    for name in ("fsync", "fdatasync", "ftruncate", "pwrite"):
        setattr(os, name, on_descriptor(name, getattr(os, name)))
    os.rename = on_two_paths(os.rename)
    os.replace = on_two_paths(os.replace)


def _name_of_open(flags: int) -> str:
    if flags & os.O_DIRECTORY:
        return "open"
    if not flags & _WRITING:
        return "read"
    return "create" if flags & os.O_TRUNC else "append"


def _place(path: Any, folder: int | None = None) -> str:
    """Return an absolute path, also of one that is relative to an open directory."""
    base = os.getcwd() if folder is None else os.readlink(f"/proc/self/fd/{folder}")
    return os.path.normpath(os.path.join(base, os.fsdecode(path)))
