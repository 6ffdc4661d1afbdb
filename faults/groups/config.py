"""Configurations: each document becomes a valid one or an error in words, fast, and no file.

An error names the place in every line, says what is wrong there, and comes as a ConfigError; the
decoding of a document takes less than 100 ms of computing.
"""

import contextlib
import importlib
import os
import random
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest import mock

import documents
import payloads
from board import Group, Score
from documents import SMALL, Sample

import grokscope
from grokscope import launch
from grokscope.config import RunConfig, decode, encode, load, to_yaml
from grokscope.config import document as document_module
from grokscope.config.document import ROOM, Document
from grokscope.errors import ConfigError
from grokscope.store import writer

LIMIT = 0.1
"""Seconds of computing a document may take."""
MORE = 5
"""Further attempts of one that took longer, of which the quickest counts."""
PATIENCE = 3.0
LINES = 100
FOREIGN = ("invalid JSON", "Traceback", "object at 0x", "int_max_str_digits")
"""Words of the machinery behind, which help nobody."""


def run(count: int, seed: int, folder: Path) -> Score:
    """Decode `count` documents; also try names, files of odd sizes and kinds, and the command."""
    rng = random.Random(seed)
    score = Score("config")
    path = folder / "given" / "document.yaml"
    path.parent.mkdir()
    path.write_text(SMALL)
    load(path, environment={})
    watched = Outside(folder)
    told: Counter[str] = Counter()
    worst = (0.0, "")
    for sample in documents.samples(rng, count):
        problem, seconds = trial(sample, path)
        worst = max(worst, (seconds, f"{sample.kind} of {len(sample.content):,} bytes"))
        count_one(score, told, sample.kind, problem, sample)
    for text, problem in names(folder / "names", max(count // 100, 12), rng):
        count_one(score, told, "name", problem, text)
    for text, problem in odd_files(folder / "files"):
        count_one(score, told, "file", problem, text)
    for text, problem in commands(folder / "commands", 2 if count < 100 else 6):
        count_one(score, told, "command", problem, text)
    score.failures += watched.appeared()
    score.notes.append(f"slowest: {1000 * worst[0]:.0f} ms for {worst[1]}")
    score.notes += [f"{kind}: {number} failed" for kind, number in sorted(told.items())]
    for name, mutant in MUTANTS.items():
        score.caught[name] = is_caught(mutant, path, folder / "mutants" / name.replace(" ", "-"))
    return score


def count_one(score: Score, told: Counter[str], kind: str, problem: str, given: object) -> None:
    """Count a trial and keep what was wrong with it."""
    score.tried += 1
    if problem:
        told[kind] += 1
        shown = repr(given)
        score.failures.append(f"{kind}: {problem} | {shown[:300]}")


def trial(sample: Sample, path: Path) -> tuple[str, float]:
    """Return what did not hold for a document, and the seconds its decoding took."""
    path.write_bytes(sample.content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nobody asked for a warning of the YAML reader either
        problem, seconds = attempt(sample, path)
        again = 0
        while seconds > LIMIT and not problem and again < MORE:  # a busy machine is no defect
            seconds, again = min(seconds, attempt(sample, path)[1]), again + 1
        if seconds > LIMIT and not problem:
            problem = f"took {1000 * seconds:.0f} ms"
    return problem, seconds


def attempt(sample: Sample, path: Path) -> tuple[str, float]:
    """Decode once."""
    start = time.thread_time()
    try:
        with payloads.within(PATIENCE):
            config = load(path, sample.overrides, environment=sample.environment)
        seconds = time.thread_time() - start
        return "accepted" if sample.must == "refuse" else unlike(config, sample), seconds
    except ConfigError as error:
        seconds = time.thread_time() - start
        if sample.must == "accept":
            return f"refused: {error}", seconds
        return unclear(str(error), path, sample), seconds
    except payloads.Overtime as error:
        return str(error), time.thread_time() - start
    except Exception as error:
        return " ".join(f"{type(error).__name__}: {error}".split())[:200], 0.0


def unclear(message: str, path: Path, sample: Sample) -> str:
    """Return what is wrong with the words of an error: no place, no reason, or no end."""
    lines = message.splitlines()
    if not lines or len(lines) > LINES:
        return f"{len(lines)} lines"
    places = [str(path), "command line", *sample.environment]
    places += [text.partition("=")[0].strip() for text in sample.overrides]
    places += [repr(text) for text in sample.overrides]
    for line in lines:
        if not line.isprintable():
            return f"unprintable: {line!r}"
        if len(line) > 1000 + len(str(path)):
            return f"a line of {len(line):,} characters"
        place = next((place for place in places if place and line.startswith(place)), None)
        if place is None:
            return f"names no place: {line}"
        if len(line.removeprefix(place).strip(": ")) < 8:
            return f"says nothing: {line}"
        if any(word in line for word in FOREIGN):
            return f"speaks of what nobody wrote: {line}"
    return ""


def unlike(config: RunConfig, sample: Sample) -> str:
    """Return what is wrong with an accepted configuration."""
    for path, wanted in sample.expected.items():
        found: Any = config
        for part in path.split("."):
            found = getattr(found, part)
        if found != wanted or type(found) is not type(wanted):
            return f"{path} is {found!r}, not {wanted!r}"
    again = to_yaml(config)
    if (
        decode(Document("again", again, ROOM).mapping()) != config
        or decode(encode(config)) != config
    ):
        return "is another one when written and read back"
    return ""


class Outside:
    """Looks whether files appear where none belong."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.places = [folder, folder.parent, Path.cwd(), Path("/")]
        self.before = {place: set(os.listdir(place)) for place in self.places}

    def appeared(self) -> list[str]:
        """Return one line for each new thing that this group did not put there."""
        own = {"given", "names", "files", "commands", "mutants"}
        found = []
        for place in self.places:
            new = set(os.listdir(place)) - self.before[place] - own
            found += [f"{place / name} appeared" for name in new if "evil" in name]
        return found


NAMES = [
    "../evil",
    "../../evil",
    "a/../../evil",
    "/evil",
    "/tmp/evil",
    "evil/",
    "./evil",
    ".",
    "..",
    "...",
    "",
    " ",
    "-x",
    "--help",
    "~",
    "~/evil",
    "evil ",
    " evil",
    "evil\n",
    "evil\0x",
    "\0",
    "evil\t",
    "evil\u2028",
    "x" * 300,
    "x" * 5000,
    "\u00e9vil",
    "\uff11evil",
    "evil\\x",
    "$(touch evil)",
    "`touch evil`",
    ".lock",
    ".evil.tmp",
    "evil.tmp",
    "con:",
    "*",
    "evil\x1b[31m",
    "\u202eevil",
    "\ud800",
    "a",
    "a.b",
    "a=1+b_2-c",
    "7",
    "x" * 128,
]


def names(folder: Path, count: int, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Yield names with what went wrong when a run of that name was trained."""
    letters = "evil./\\\0 \n-~$=+_0A\u00e9"
    generated = ["".join(rng.choices(letters, k=rng.randrange(1, 12))) for _ in range(count)]
    chosen = NAMES if count > 12 else rng.sample(NAMES, count)
    out = folder / "deep" / "deeper" / "runs"
    out.mkdir(parents=True)
    for name in [*chosen, *generated[: count // 2]]:
        for how in ("argument", "document"):
            before = tops(folder)
            yield f"{name!r} by {how}", named(name, how, out) or unexpected(folder, out, before)


def tops(folder: Path) -> set[str]:
    """Return everything below a folder."""
    return {os.path.relpath(path, folder) for path in folder.rglob("*")}


def unexpected(folder: Path, out: Path, before: set[str]) -> str:
    """Return what appeared outside `out`, or in it under a name that is no plain one."""
    inside = os.path.relpath(out, folder)
    strange = [
        path
        for path in tops(folder) - before
        if not path.startswith(f"{inside}/") or path.split("/")[3].startswith((".", "-"))
    ]
    return f"{sorted(strange)[0]} appeared" if strange else ""


def named(name: str, how: str, out: Path) -> str:
    """Train one step of a run of this name; return what was wrong with the answer."""
    tree = {
        "name": name if how == "document" else "fine",
        "steps": 1,
        "task": {"kind": "modular", "p": 5},
        "model": {"kind": "mlp", "width": 4},
        "optimizer": {"kind": "sgd"},
        "threads": 1,
    }
    try:
        run = grokscope.train(tree, out=out, name=name if how == "argument" else None)
    except ConfigError as error:
        lines = str(error).splitlines()
        if len(lines) != 1 or not lines[0].isprintable() or len(lines[0]) > 600:
            return f"{len(lines)} lines, {len(str(error))} characters"
        return "" if "name" in lines[0] or "exists already" in lines[0] else lines[0]
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]
    return "" if run.path.parent == out else f"the run lies at {run.path}"


def odd_files(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield files that are too large, no files, or endless, with what reading them did."""
    folder.mkdir(parents=True)
    for size in (10**6 + 1, 2**30, 2**42):
        path = folder / f"{size}.yaml"
        try:
            with path.open("wb") as file:
                file.truncate(size)
        except OSError:
            continue  # this file system has no files of that size
        yield f"{size:,} bytes", refused_at_once(path)
    os.mkfifo(folder / "pipe.yaml")
    (folder / "folder.yaml").mkdir()
    (folder / "zeros.yaml").symlink_to("/dev/zero")
    (folder / "loop.yaml").symlink_to("loop.yaml")
    (folder / "nowhere.yaml").symlink_to("gone")
    for name in ("pipe", "folder", "zeros", "loop", "nowhere", "missing", "x" * 300, "a\0b"):
        yield name[:20], refused_at_once(folder / f"{name}.yaml")


def refused_at_once(path: Path) -> str:
    """Return what is wrong unless a file is refused quickly and without reading much of it."""
    start = time.perf_counter()
    try:
        with payloads.within(PATIENCE), payloads.more_memory(2**28):
            load(path, environment={})
    except ConfigError as error:
        seconds = time.perf_counter() - start
        if seconds > LIMIT:
            return f"took {1000 * seconds:.0f} ms"
        return "" if len(str(error).splitlines()) == 1 else "several lines"
    except (Exception, payloads.Overtime) as error:
        return f"{type(error).__name__}: {error}"
    return "accepted"


COMMANDS = {
    "unknown key": SMALL + "stepz: 3\n",
    "duplicate key": SMALL + "seed: 3\nseed: 3\n",
    "not YAML": "a: [1",
    "tag of Python": SMALL + "notes: !!python/object/apply:os.system ['true']\n",
    "bad name": SMALL + "name: ../evil\nsteps: 1\n",
    "empty": "",
}


def commands(folder: Path, count: int) -> Iterator[tuple[str, str]]:
    """Yield documents with what was wrong when the command was given them."""
    folder.mkdir(parents=True)
    for what, content in list(COMMANDS.items())[:count]:
        path = folder / f"{what.replace(' ', '-')}.yaml"
        path.write_text(content)
        command = [sys.executable, "-m", "grokscope", "train", str(path), "--out", "runs"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
        lines = done.stderr.splitlines()
        sound = len(lines) == 1 and lines[0].startswith("grokscope: ") and not done.stdout
        problem = "" if sound and done.returncode == 2 else f"exit code {done.returncode}: {lines}"
        if (folder / "runs").exists() or (folder / "evil").exists():
            problem = "something was written"
        yield what, problem


def doubles_pass() -> AbstractContextManager[object]:
    """Break: of a key that occurs twice the last wins."""
    return patched_yaml("allow_duplicate_keys", True)


def old_yaml() -> AbstractContextManager[object]:
    """Break: read YAML 1.1, in which `no` is false and 010 is eight."""
    return patched_yaml("version", (1, 1))


def patched_yaml(name: str, value: object) -> AbstractContextManager[object]:
    """Let every reader of YAML have an attribute."""
    document_module._section.cache_clear()

    def make() -> Any:
        yaml = document_module.YAML(typ="safe", pure=True)
        setattr(yaml, name, value)
        return yaml

    return mock.patch.object(document_module, "_reader", make)


def unknown_pass() -> AbstractContextManager[object]:
    """Break: leave out what is not known."""
    module = importlib.import_module("grokscope.config.decode")
    strict = module.decode
    known = set(RunConfig.__dataclass_fields__)

    def lenient(tree: dict[str, Any], **options: Any) -> RunConfig:
        config: RunConfig = strict({k: v for k, v in tree.items() if k in known}, **options)
        return config

    return mock.patch.object(module, "decode", lenient)


def raw_errors() -> AbstractContextManager[object]:
    """Break: let the errors of the YAML reader out."""
    return mock.patch.object(
        Document, "value", lambda self: document_module.YAML(typ="safe", pure=True).load(self.text)
    )


def unlimited(name: str) -> Callable[[], AbstractContextManager[object]]:
    """Break: have no limit."""
    return lambda: mock.patch.object(document_module, name, 2**62)


@contextlib.contextmanager
def any_name() -> Iterator[None]:
    """Break: take a name as it comes."""
    with (
        mock.patch.object(launch, "check_name", lambda name: name),
        mock.patch.object(writer, "check_name", lambda name: name),
    ):
        yield


Probe = Callable[[Path, Path], list[str]]


def probing(*kinds: str) -> Probe:
    """Return what tries documents of some kinds, and says what each did."""

    def probe(path: Path, folder: Path) -> list[str]:
        rng = random.Random(0)
        fixed = documents.traps() if "trap" in kinds else []
        made = [
            documents.MAKERS[kind][0](rng) for kind in kinds if kind != "trap" for _ in range(9)
        ]
        return [trial(one, path)[0] for one in [*fixed, *made]]

    return probe


def probe_names(path: Path, folder: Path) -> list[str]:
    """Try a name that leads out."""
    out = folder / "deep" / "deeper" / "runs"
    out.mkdir(parents=True)
    before = tops(folder)
    return [named("../evil", "argument", out) or unexpected(folder, out, before)]


def probe_files(path: Path, folder: Path) -> list[str]:
    """Try files that are too large or endless."""
    return [found for _, found in odd_files(folder)]


Patch = Callable[[], AbstractContextManager[object]]
MUTANTS: dict[str, tuple[Patch, Probe]] = {
    "takes duplicate keys": (doubles_pass, probing("duplicate key")),
    "takes unknown keys": (unknown_pass, probing("unknown key")),
    "reads YAML 1.1": (old_yaml, probing("trap")),
    "lets other errors out": (raw_errors, probing("trap", "text")),
    "counts no aliases": (unlimited("MAX_ALIASES"), probing("trap")),
    "reads files of any size": (unlimited("MAX_BYTES"), probe_files),
    "takes any name": (any_name, probe_names),
}


def is_caught(mutant: tuple[Patch, Probe], path: Path, folder: Path) -> bool:
    """Return whether something fails in a broken build that holds in a sound one."""
    patch, probe = mutant
    sound = probe(path, folder / "sound")
    with patch():
        broken = probe(path, folder / "broken")
    return any(bad and not good for bad, good in zip(broken, sound, strict=True))


GROUP = Group("config", run, quick=400, long=20_000)
