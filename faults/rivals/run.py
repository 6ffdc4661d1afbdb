"""What happens to three training loops when the machine fails them.

    .venv/bin/pip install --constraint constraints.txt lightning   # optional, only for this
    python faults/rivals/run.py                    # the table, about ten minutes on one core
    python faults/rivals/run.py --only grokscope plain --kills 5 --json rivals.json

A loop as papers ship it, PyTorch Lightning as its documentation recommends, and grokscope train
the same small network on the same data, once with all examples in every step and once with
shuffled batches. Each trial is a process that is killed, interrupted, or has no room left on its
disk, or whose files get a flipped bit; then it is started again without another word, and what a
reader finds in the end is compared with a run that nothing happened to.
"""

import argparse
import functools
import importlib
import importlib.util
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import payloads  # noqa: E402
import problem  # noqa: E402
import torch  # noqa: E402

RIVALS = {"plain loop": "plain", "Lightning": "framework", "grokscope": "ours"}
BATCHES = {"all examples": 10_000, "shuffled batches": problem.BATCH}
PATIENCE = 120.0
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGTERM)


@dataclass
class Row:
    """What became of one rival under one kind of fault.

    weights, optimizer, history: trials after which these were identical to the undisturbed run;
    silent: trials in which damage was neither refused nor repaired, or a file under its final name
    was unreadable though nothing had said so; codes: how the disturbed processes ended.
    """

    rival: str
    fault: str
    trials: int = 0
    weights: int = 0
    optimizer: int = 0
    history: int = 0
    silent: int = 0
    codes: Counter[str] = field(default_factory=Counter)


def _act(module: str, folder: str, batch: int, log: str, limit: int) -> None:
    """Train in this process, which was forked for it."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for target in (1, 2):
        os.dup2(descriptor, target)
    torch.set_num_threads(1)
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    importlib.import_module(module).train(folder, batch)


class Rival:
    """One way to train, started as often as needed from a server that has it loaded."""

    def __init__(self, name: str, batch: int, folder: Path) -> None:
        self.name, self.batch = name, batch
        self.module: ModuleType = importlib.import_module(RIVALS[name])
        self._processes = multiprocessing.get_context("forkserver")
        self.log = folder / "log.txt"
        self.whole = folder / "whole"
        self.start(self.whole).join()
        shutil.rmtree(self.whole)
        start = time.perf_counter()
        process = self.start(self.whole)
        process.join()
        self.seconds = time.perf_counter() - start
        if process.exitcode:
            raise RuntimeError(f"{name}: {self.log.read_text()[-2000:]}")
        self.expected = self.module.end(self.whole)
        self.size = _size(self.whole)

    def start(self, folder: Path, limit: int = 0) -> Any:
        """Start, or go on, in a folder."""
        module = RIVALS[self.name]
        arguments = (module, str(folder), self.batch, str(self.log), limit)
        process = self._processes.Process(target=_act, args=arguments)
        process.start()
        return process

    def go_on(self, folder: Path) -> str:
        """Start again and wait; return how it ended."""
        return ended(self.start(folder))

    def compare(self, folder: Path, row: Row) -> bool:
        """Count what is identical to the undisturbed run; return whether all is."""
        try:
            found = self.module.end(folder)
        except Exception:
            return False
        kinds = ("weights", "optimizer", "history")
        same = {kind: _same(found[kind], self.expected[kind]) for kind in kinds}
        for kind, equal in same.items():
            setattr(row, kind, getattr(row, kind) + equal)
        return all(same.values())


def ended(process: Any) -> str:
    """Return how a process ended: a code or the name of a signal."""
    process.join(PATIENCE)
    if process.is_alive():
        process.kill()
        process.join()
        return "hangs"
    code = process.exitcode
    return signal.Signals(-code).name if code < 0 else str(code)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _same(left: Any, right: Any) -> bool:
    """Return whether tensors by name, or rows, are equal; what was never saved is not."""
    if isinstance(left, list):
        return bool(left == right)
    if not right or left.keys() != right.keys():
        return False
    pairs = [(torch.as_tensor(left[name]), torch.as_tensor(right[name])) for name in right]
    return all(torch.equal(x, y) for x, y in pairs)


def kills(rival: Rival, fault: str, count: int, folder: Path, rng: random.Random) -> Row:
    """SIGKILL at a random time, then start again."""
    row = Row(rival.name, fault)
    for number in range(count):
        place = folder / f"kill-{number}"
        process = rival.start(place)
        process.join(rng.uniform(0, rival.seconds))
        process.kill()
        process.join()
        row.trials += 1
        row.codes[rival.go_on(place)] += 1
        rival.compare(place, row)
        shutil.rmtree(place, ignore_errors=True)
    return row


def signals(rival: Rival, fault: str, count: int, folder: Path, rng: random.Random) -> Row:
    """Ask a process to stop in the ways schedulers and people do, then start again."""
    row = Row(rival.name, fault)
    for number in range(count):
        place = folder / f"signal-{number}"
        name = SIGNALS[number % len(SIGNALS)]
        process = rival.start(place)
        process.join(rng.uniform(0.4, 0.8) * rival.seconds)
        if process.is_alive():
            os.kill(process.pid, name)
        row.trials += 1
        row.codes[f"{name.name}→{ended(process)}"] += 1
        rival.go_on(place)
        rival.compare(place, row)
        shutil.rmtree(place, ignore_errors=True)
    return row


def flips(
    rival: Rival,
    fault: str,
    count: int,
    folder: Path,
    rng: random.Random,
    files: Callable[[Path], list[Path]],
) -> Row:
    """Flip a bit of the newest checkpoint of a stopped run and go on, or of a finished history.

    Silent: nothing refused, and what is found in the end is not what it would have been.
    """
    row = Row(rival.name, fault)
    going_on = files is rival.module.newest
    base = stopped(rival, folder / "stopped") if going_on else rival.whole
    sound = folder / f"sound-{going_on}"
    shutil.copytree(base, sound)
    if going_on:
        rival.go_on(sound)
    for number in range(count):
        place = folder / f"flip-{number}"
        shutil.copytree(base, place)
        chosen = files(place)
        path = rng.choices(chosen, [file.stat().st_size for file in chosen])[0]
        path.write_bytes(payloads.flipped(path.read_bytes(), rng))
        row.trials += 1
        told = _after_flip(rival, place, row, sound, going_on=going_on)
        row.codes[told] += 1
        row.silent += told == "silent"
        shutil.rmtree(place, ignore_errors=True)
    return row


def stopped(rival: Rival, folder: Path) -> Path:
    """Return a run that was killed after its first checkpoints and before its end."""
    for _ in range(20):
        process = rival.start(folder)
        while process.is_alive() and not _begun(rival, folder):
            time.sleep(0.002)
        process.join(0.2 * rival.seconds)
        process.kill()
        process.join()
        if process.exitcode and _begun(rival, folder):
            return folder
        shutil.rmtree(folder, ignore_errors=True)
    raise RuntimeError(f"{rival.name}: too fast to be stopped on the way")


def _begun(rival: Rival, folder: Path) -> bool:
    try:
        return all(path.exists() for path in rival.module.newest(folder))
    except (OSError, IndexError):
        return False


def _after_flip(rival: Rival, place: Path, row: Row, sound: Path, *, going_on: bool) -> str:
    """Return whether a flip was refused, repaired, without effect, or silent."""
    if going_on and (code := rival.go_on(place)) != "0":
        return f"refused, code {code}"
    try:
        found = rival.module.end(place)
    except Exception:
        return "refused by the reader"
    expected = rival.module.end(sound)
    kinds = ("weights", "optimizer", "history") if going_on else ("history",)
    same = {kind: _same(found[kind], expected[kind]) for kind in kinds}
    for kind, equal in same.items():
        setattr(row, kind, getattr(row, kind) + equal)
    return "same result" if all(same[kind] for kind in kinds if expected[kind]) else "silent"


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[bool]:
    """Make a folder a disk of its own; yields False where that is not allowed here."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)


def full_disks(rival: Rival, fault: str, count: int, folder: Path, rng: random.Random) -> Row:
    """Let the disk run full on the way, look what was left, make room, start again.

    Silent: code 0 without the whole result, or a checkpoint under its final name that cannot be
    read. Without the right to mount, no file may grow beyond a limit instead.
    """
    row = Row(rival.name, fault)
    for number in range(count):
        place = folder / f"disk-{number}"
        with small_disk(place, 16 * 2**20) as mounted:
            free = int(rng.uniform(0.1, 0.9) * rival.size)
            filler = place / "filler"
            if mounted:
                filler.write_bytes(b"")
                room = os.statvfs(place)
                with filler.open("wb") as file:
                    file.write(b"x" * max(room.f_bavail * room.f_frsize - free, 0))
            limit = 0 if mounted else max(free // 10, 4096)
            code = ended(rival.start(place / "run", limit))
            row.trials += 1
            row.codes[code] += 1
            row.silent += _false(rival, place / "run", code)
            filler.unlink(missing_ok=True)
            rival.go_on(place / "run")
            rival.compare(place / "run", row)
        shutil.rmtree(place, ignore_errors=True)
    return row


def _false(rival: Rival, place: Path, code: str) -> bool:
    """Return whether something looks saved that is not."""
    try:
        present = [path for path in rival.module.newest(place) if path.exists()]
    except (OSError, IndexError):
        present = []
    if code == "0":
        try:
            return not all(
                _same(rival.module.end(place)[kind], rival.expected[kind])
                for kind in ("weights", "history")
            )
        except Exception:
            return True
    return bool(present) and not _loads(rival, place, present)


def _loads(rival: Rival, place: Path, present: list[Path]) -> bool:
    try:
        if rival.name == "grokscope":
            from grokscope.store import checkpoint

            checkpoint.read(place / "run", checkpoint.steps(place / "run")[-1])
        else:
            torch.load(present[0], weights_only=True)
    except Exception:
        return False
    return True


def compare(name: str, options: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """Yield the rows of one rival."""
    rng = random.Random(options.seed)
    for words, batch in BATCHES.items():
        place = folder / words.replace(" ", "-")
        place.mkdir(parents=True)
        rival = Rival(name, batch, place)
        yield kills(rival, f"SIGKILL, {words}", options.kills, place, rng)
        if words == "all examples":
            for what, files in {
                "bit of a checkpoint": rival.module.newest,
                "bit of the history": rival.module.records,
            }.items():
                yield flips(rival, what, options.flips, place, rng, files)
            yield signals(rival, "signals", options.signals, place, rng)
            yield full_disks(rival, "full disk", options.disks, place, rng)


def table(rows: list[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| fault | rival | trials | weights | optimizer | history | silent | ended with |",
        "|---|---|--:|--:|--:|--:|--:|---|",
    ]
    for row in sorted(rows, key=lambda row: row.fault):
        codes = ", ".join(f"{code} ×{count}" for code, count in row.codes.most_common())
        lines.append(
            f"| {row.fault} | {row.rival} | {row.trials} | {row.weights} | {row.optimizer} | "
            f"{row.history} | {row.silent} | {codes} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run the trials and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=list(RIVALS), default=list(RIVALS))
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--flips", type=int, default=40)
    parser.add_argument("--signals", type=int, default=4)
    parser.add_argument("--disks", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the rows there")
    options = parser.parse_args()
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"), "1")
    only = [name for name in options.only if name != "Lightning" or _has_lightning()]
    loaded = ["problem", *(RIVALS[name] for name in only)]
    multiprocessing.get_context("forkserver").set_forkserver_preload(loaded)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="rivals-") as folder:
        for name in only:
            for row in compare(name, options, Path(folder) / RIVALS[name]):
                rows.append(row)
                sys.stderr.write(f"{row}\n")
    print(table(rows))
    if options.json:
        stored = {"versions": versions(only), "rows": [vars(row) for row in rows]}
        options.json.write_text(json.dumps(stored, indent=2) + "\n")


def versions(names: list[str]) -> dict[str, str]:
    """Return the versions of what is compared."""
    packages = {"plain loop": "torch", "Lightning": "lightning", "grokscope": "grokscope"}
    return {name: f"{packages[name]} {version(packages[name])}" for name in names}


@functools.cache
def _has_lightning() -> bool:
    if importlib.util.find_spec("lightning") is None:
        sys.stderr.write("Lightning is not installed and left out; see --help\n")
        return False
    return True


if __name__ == "__main__":
    main()
