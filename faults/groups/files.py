"""Files somebody prepared: nothing in them is run, nothing hangs, memory stays bounded.

A child process, which listens for pickles being opened and may allocate two more gigabytes, reads
and goes on with copies of small runs in which one thing was replaced. It answers with a line for
each case, so a case that ends the process is known too.
"""

import contextlib
import gc
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from unittest import mock

import payloads
from board import Group, Score

import grokscope
from grokscope.errors import GrokscopeError
from grokscope.store import checkpoint, reading, results

SMALL = (
    "task.p=5",
    "model.width=6",
    "data.train_fraction=0.5",
    "stop=never",
    "steps=20",
    "checkpoint.every=10",
    "checkpoint.early=[0]",
    "threads=1",
)
MEMORY = 2 * 2**30
PATIENCE = 4.0
ENOUGH = 3
"""Problems of one case after which nobody wants to know more."""
STEP = "checkpoints/step_000000020"
RESULT = "results/grokking_time/*"


@dataclass(frozen=True)
class Places:
    """Where a case may put things: a finished and a stopped run, and a folder outside of both."""

    finished: Path
    stopped: Path
    outside: Path
    marker: Path


@dataclass(frozen=True)
class Case:
    """One hostile thing. prepare(places) puts it into one of the runs and returns that run."""

    kind: str
    name: str
    prepare: Callable[[Places], Path]


def found(run: Path, pattern: str) -> Path:
    """Return the first path of a run that matches."""
    return sorted(run.glob(pattern))[0]


def replacing(pattern: str, content: Callable[[Places], bytes]) -> Callable[[Places], Path]:
    """Return what replaces a file of the finished run and corrects the hash that guards it."""

    def prepare(places: Places) -> Path:
        stopped = pattern.startswith("history/")
        run = places.stopped if stopped else places.finished
        path = found(run, pattern)
        path.write_bytes(content(places))
        payloads.believed(path)
        return run

    return prepare


TARGETS = (
    f"{STEP}/model.safetensors",
    f"{STEP}/optimizer.safetensors",
    f"{STEP}/state.json",
    f"{STEP}/manifest.json",
    "config.yaml",
    "status.json",
    "provenance.json",
    "history.parquet",
    "history.sha256",
    "history/rows_*",
    f"{RESULT}/arrays.npz",
    f"{RESULT}/result.json",
    f"{RESULT}/manifest.json",
    ".lock",
    ".owner",
)


def pickled() -> Iterator[Case]:
    """Yield thirty pickles, spread over every place where a file is read."""
    targets = itertools.cycle(TARGETS)
    for name in payloads.pickles(Path("marker")):
        target = next(targets)
        yield Case(
            "pickle",
            f"{name} as {target}",
            _optional(target, lambda places, name=name: payloads.pickles(places.marker)[name]),
        )
    for target in (f"{STEP}/model.safetensors", f"{STEP}/optimizer.safetensors"):
        yield Case("pickle", f"torch.save as {target}", replacing(target, _of(payloads.torch_file)))
    arrays = replacing(f"{RESULT}/arrays.npz", _of(payloads.object_arrays))
    yield Case("pickle", "an array of objects", arrays)


def _of(make: Callable[[Path], bytes]) -> Callable[[Places], bytes]:
    return lambda places: make(places.marker)


def _optional(target: str, content: Callable[[Places], bytes]) -> Callable[[Places], Path]:
    """Return what replaces a file, or makes it where there is none."""

    def prepare(places: Places) -> Path:
        if any(places.finished.glob(target)) or any(places.stopped.glob(target)):
            return replacing(target, content)(places)
        (places.finished / target).write_bytes(content(places))
        return places.finished

    return prepare


def tensors() -> Iterator[Case]:
    """Yield hostile safetensors, as weights and as optimizer state."""
    shapes = {"first.weight": (6, 10), "unembed.weight": (5, 6)}
    vectors = {"exp_avg": (90,), "exp_avg_sq": (90,)}
    for target, names in (("model", shapes), ("optimizer", vectors)):
        for name, content in payloads.tensors_files(names).items():
            yield Case(
                "safetensors",
                f"{name} as {target}",
                replacing(f"{STEP}/{target}.safetensors", lambda places, content=content: content),
            )


def tables() -> Iterator[Case]:
    """Yield hostile Parquet, as a joined history, as a segment and as a clock."""
    whole = payloads.parquet_bytes(payloads.pa.table({"step": [0, 10], "train_acc": [0.1, 0.2]}))
    targets = itertools.cycle(["history.parquet", "history/rows_*", "clock.parquet"])
    for name, content in payloads.parquets(whole, random.Random(0)).items():
        for target in ("history.parquet", next(targets)):
            yield Case(
                "parquet",
                f"{name} as {target}",
                replacing(target, lambda places, content=content: content),
            )
    for target in ("history.parquet", "history/rows_*"):
        rows = replacing(target, lambda places: payloads.many_rows(300_000_000))
        yield Case("parquet", f"three hundred million rows as {target}", rows)


JSONS = {
    "a list": b"[]",
    "null": b"null",
    "a word": b'"x"',
    "an empty section": b"{}",
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "deep sections": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a number of 5,000 digits": b'{"version": ' + b"9" * 5000 + b"}",
    "not a number": b'{"version": NaN, "step": NaN, "rows": NaN, "seconds": NaN}',
    "words for numbers": b'{"version": 1, "step": "x", "rows": "y", "packages": 3, "last": 4}',
    "lists for numbers": b'{"version": 1, "step": [20], "rows": [3], "sha256": [1], "last": [1]}',
    "nothing for numbers": b'{"step": null, "rows": null, "packages": null, "sha256": null}',
    "a surrogate": b'{"state": "\\ud800", "outcome": "\\ud800", "sha256": {"\\ud800": "0"}}',
    "invalid UTF-8": b'{"state": "\xff"}',
    "a byte order mark": b'\xef\xbb\xbf{"state": "running"}',
}


def jsons() -> Iterator[Case]:
    """Yield hostile JSON in each place."""
    for target in (
        f"{STEP}/state.json",
        f"{STEP}/manifest.json",
        "status.json",
        "provenance.json",
        f"{RESULT}/result.json",
        f"{RESULT}/manifest.json",
    ):
        for name, content in JSONS.items():
            yield Case(
                "json",
                f"{name} as {target}",
                replacing(target, lambda places, content=content: content),
            )
    for key, values in {
        "step": [-1, 10**18, 20.5, "20", None],
        "rows": [-1, 10**18, 2.5, "3", None],
        "milestones": [[], {"streak": "x"}, {"odd": 1}, None, {"test_acc": None, "streak": None}],
        "seconds": ["x", None, -1e308],
        "measured": ["x", None],
    }.items():
        for value in values:
            yield Case("json", f"{key} {value!r} in state.json", telling(key, value))
    for name in ("step", "rows", "milestones", "seconds", "measured"):
        yield Case("json", f"no {name} in state.json", telling(name, ...))


def telling(key: str, value: object) -> Callable[[Places], Path]:
    """Return what changes one fact of the newest checkpoint, or removes it."""

    def content(places: Places) -> bytes:
        facts = json.loads((places.finished / STEP / "state.json").read_bytes())
        facts[key] = value
        return json.dumps({k: v for k, v in facts.items() if v is not ...}).encode()

    return replacing(f"{STEP}/state.json", content)


def archives() -> Iterator[Case]:
    """Yield hostile archives of arrays."""
    for name, make in {
        "an array of 10^13 elements": payloads.huge_array,
        "three gigabytes of zeros": payloads.inflating_array,
        "no archive": lambda: b"PK\3\4 and nothing more",
        "an empty file": lambda: b"",
    }.items():
        content = replacing(f"{RESULT}/arrays.npz", lambda places, make=make: make())
        yield Case("archive", name, content)


def manifests() -> Iterator[Case]:
    """Yield manifests that name files elsewhere, or not what they guard."""
    names = [
        "../../config.yaml",
        "/etc/passwd",
        "..",
        ".",
        "",
        "a\0b",
        "a/../state.json",
        "x" * 5000,
    ]
    for name in names:
        yield Case("manifest", f"naming {name[:20]!r}", listing({name: "0" * 64}))
    yield Case("manifest", "naming nothing, with all files there", listing(None))
    yield Case("manifest", "naming nothing, with no files there", listing(None, keep=False))
    yield Case("manifest", "naming a file 100,000 times over", listing(dict.fromkeys(_many(), "0")))


def _many() -> Iterator[str]:
    return (f"model.safetensors{number}" for number in range(100_000))


def listing(more: dict[str, str] | None, *, keep: bool = True) -> Callable[[Places], Path]:
    """Return what writes another list into the newest manifest; None empties it."""

    def prepare(places: Places) -> Path:
        manifest = places.finished / STEP / "manifest.json"
        told = json.loads(manifest.read_bytes())
        told["sha256"] = {} if more is None else {**more, **told["sha256"]}
        manifest.write_text(json.dumps(told))
        for name in () if keep else ("model.safetensors", "optimizer.safetensors", "state.json"):
            (manifest.parent / name).unlink()
        return places.finished

    return prepare


SPECIAL = (*TARGETS, "clock.parquet", "clock.sha256", STEP, "checkpoints", "history", "results")


def specials() -> Iterator[Case]:
    """Yield pipes, endless devices, holes and directories where files are expected."""
    for target in SPECIAL:
        for what, make in {
            "a pipe": os.mkfifo,
            "zeros without end": lambda path: path.symlink_to("/dev/zero"),
            "a terabyte of nothing": _hollow,
            "a directory": lambda path: path.mkdir(),
            "a link to itself": lambda path: path.symlink_to(path.name),
        }.items():
            if what == "a directory" and target.rpartition("/")[2].isalnum():
                continue
            yield Case("special", f"{what} as {target}", standing(target, make))


def _hollow(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


def standing(target: str, make: Callable[[Path], object]) -> Callable[[Places], Path]:
    """Return what puts something else in the place of a file or directory."""

    def prepare(places: Places) -> Path:
        run = places.stopped if target.startswith("history") and "." not in target else None
        run = run or (places.stopped if target.startswith("history/") else places.finished)
        path = found(run, target) if any(run.glob(target)) else run / target
        remove(path)
        make(path)
        return run

    return prepare


def remove(path: Path) -> None:
    """Remove a file or a directory, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def links() -> Iterator[Case]:
    """Yield links from a run to files and directories outside; those must stay as they are."""
    for target in (*TARGETS, STEP, "checkpoints", "history", "clock", "results", "clock.parquet"):
        yield Case("link", f"{target} lies outside", leading_out(target))
    for target in ("history", "clock", "checkpoints"):
        yield Case("link", f"{target} is that of another run", leading_out(target, other=True))


def leading_out(target: str, *, other: bool = False) -> Callable[[Places], Path]:
    """Return what moves something out of a run and leaves a link; or links to another run's."""

    def prepare(places: Places) -> Path:
        parts = target.startswith(("history", "clock")) and "." not in target
        run = places.stopped if parts else places.finished
        path = found(run, target) if any(run.glob(target)) else run / target
        there = places.outside / path.name
        if other:
            shutil.copytree(run, places.outside / "other")
            there = places.outside / "other" / target
            (there / ".precious.0123abcd.tmp").write_text("mine")
            remove(path)
        elif os.path.lexists(path):
            path.rename(there)
        else:
            there.write_text("{}")
        path.symlink_to(there)
        return run

    return prepare


KINDS: dict[str, Callable[[], Iterator[Case]]] = {
    "pickle": pickled,
    "safetensors": tensors,
    "parquet": tables,
    "json": jsons,
    "archive": archives,
    "manifest": manifests,
    "special": specials,
    "link": links,
}


def chosen(count: int, seed: int) -> list[Case]:
    """Return at most `count` cases, each kind in turn, so that few are still of every kind."""
    rng = random.Random(seed)
    by_kind = []
    for make in KINDS.values():
        cases = list(make())
        rng.shuffle(cases)
        by_kind.append(cases)
    turns = itertools.chain.from_iterable(itertools.zip_longest(*by_kind))
    return [case for case in turns if case is not None][:count]


OPERATIONS: dict[str, Callable[[Path], object]] = {
    "config": lambda path: grokscope.open(path).config,
    "status": lambda path: grokscope.open(path).status,
    "outcome": lambda path: grokscope.open(path).outcome,
    "provenance": lambda path: grokscope.open(path).provenance,
    "verify": lambda path: grokscope.open(path).verify(),
    "history": lambda path: grokscope.open(path).history,
    "last": lambda path: grokscope.open(path).last,
    "steps": lambda path: grokscope.open(path).steps,
    "snapshot": lambda path: grokscope.open(path).snapshot().train_logits,
    "summary": lambda path: grokscope.open(path).summary(),
    "results": lambda path: grokscope.open(path).results(),
    "analyze": lambda path: grokscope.open(path).analyze("grokking_time"),
    "table": lambda path: grokscope.open_all(path.parent).table(),
    "resume": grokscope.resume,
    "resume longer": lambda path: grokscope.resume(path, ["steps=+5"]),
}


def run(count: int, seed: int, folder: Path) -> Score:
    """Try at most `count` cases, then those that must fail in a broken build."""
    score = Score("files")
    every = plan(count, seed)
    answers = list(answered(folder, count, seed))
    kinds: dict[str, list[int]] = {case.kind: [0, 0] for mutant, case in every if not mutant}
    for (mutant, case), answer in zip(every, answers, strict=True):
        problems = answer["problems"]
        if mutant:
            score.caught[mutant] = bool(problems) or score.caught.get(mutant, False)
            continue
        score.tried += 1
        kinds[case.kind][0] += 1
        kinds[case.kind][1] += bool(problems)
        if problems:
            score.failures.append(f"{case.kind}: {case.name}: {'; '.join(problems)}")
    peak = max(answer["megabytes"] for answer in answers)
    shares = (f"{kind} {bad} of {total} failed" for kind, (total, bad) in kinds.items())
    score.notes.append(f"most memory in use: {peak:,} MB; {', '.join(shares)}")
    return score


def plan(count: int, seed: int) -> list[tuple[str, Case]]:
    """Return the cases of a sound build, then those of each broken one."""
    broken = [(name, case) for name, (_, make) in MUTANTS.items() for case in make()]
    return [*(("", case) for case in chosen(count, seed)), *broken]


def answered(folder: Path, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield the answer about each case; one that ends the child is answered for by this process."""
    total, done = len(plan(count, seed)), 0
    while done < total:
        place = folder / f"from-{done}"
        place.mkdir(parents=True)
        numbers = [str(done), str(count), str(seed)]
        log = folder / "log.txt"
        with (
            log.open("w") as errors,
            subprocess.Popen(
                [sys.executable, "-m", "groups.files", str(place), *numbers],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=place,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            ) as child,
        ):
            assert child.stdout is not None
            for line in child.stdout:
                done += 1
                yield json.loads(line)
            code = child.wait()
        said = log.read_text(errors="replace")[-300:]
        if done == 0:
            raise RuntimeError(f"the child did not start: {said}")
        if done < total:
            done += 1
            yield {"problems": [f"ended the process with {code}: {said}"], "megabytes": 0}
        shutil.rmtree(place, ignore_errors=True)


def open_pickles() -> AbstractContextManager[object]:
    """Break: what is no safetensors file may be one of torch.save."""
    import io

    import torch

    load = checkpoint.load

    def lenient(content: bytes) -> Any:
        try:
            return load(content)
        except Exception:
            return torch.load(io.BytesIO(content), weights_only=False)

    return mock.patch.object(checkpoint, "load", lenient)


def open_objects() -> AbstractContextManager[object]:
    """Break: let archives hold arrays of objects."""
    load = results.np.load
    return mock.patch.object(
        results.np, "load", lambda file, allow_pickle: load(file, allow_pickle=True)
    )


def greedy() -> AbstractContextManager[object]:
    """Break: read a whole file that says it is large."""
    return mock.patch.object(checkpoint, "damage", _hoard)


def _hoard(path: Path, needed: object) -> str:
    return f"{len(bytearray(3 * 2**30))} bytes were not too many"


def patient() -> AbstractContextManager[object]:
    """Break: wait for what a pipe may bring."""
    return mock.patch.object(checkpoint, "damage", _wait)


def _wait(path: Path, needed: object) -> str:
    with (path / "model.safetensors").open("rb") as file:
        file.read()
    return ""


def following() -> AbstractContextManager[object]:
    """Break: write through links."""
    return mock.patch.object(reading, "check_inside", return_value=None)


def only(*names: str) -> Callable[[], list[Case]]:
    """Return the cases of these names."""
    every = [case for make in KINDS.values() for case in make()]
    return lambda: [case for case in every if case.name in names]


MODEL = f"{STEP}/model.safetensors"
MUTANTS: dict[str, tuple[Callable[[], AbstractContextManager[object]], Callable[[], list[Case]]]]
MUTANTS = {
    "opens pickles": (open_pickles, only(f"torch.save as {MODEL}", f"eval, protocol 4 as {MODEL}")),
    "opens objects": (open_objects, only("an array of objects")),
    "reads without bound": (greedy, only("no tensors as model")),
    "waits for pipes": (patient, only(f"a pipe as {MODEL}")),
    "writes through links": (following, only("history is that of another run")),
}


def _child(folder: Path, start: int, count: int, seed: int) -> None:
    """Try the cases from number `start` on, and print one line of JSON about each."""
    runs = _prepared(folder)
    for operation in OPERATIONS.values():  # whatever a cache of compiled loops keeps as pickles
        places = _copied(folder, runs)
        operation(places.finished)
        operation(places.stopped)
    opened: list[str] = []
    watched = ("pickle.find_class", "os.system", "subprocess.Popen", "os.exec", "os.posix_spawn")

    def listen(name: str, arguments: tuple[Any, ...]) -> None:
        if name in watched:
            opened.append(f"{name} {arguments!r}"[:80])

    sys.addaudithook(listen)
    with payloads.more_memory(MEMORY):
        for mutant, case in plan(count, seed)[start:]:
            with MUTANTS[mutant][0]() if mutant else contextlib.nullcontext():
                problems = _tried(case, _copied(folder, runs), opened)
            gc.collect()
            _say({"problems": problems, "megabytes": _peak()})


def _say(answer: dict[str, Any], to: IO[str] = sys.stdout) -> None:
    to.write(json.dumps(answer) + "\n")
    to.flush()


def _peak() -> int:
    """Return the most memory that was resident, in megabytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _prepared(folder: Path) -> Places:
    asked = itertools.count()
    out = folder / "sound"
    finished = grokscope.train("quick", list(SMALL), out=out, name="finished")
    stopped = grokscope.train(
        "quick", list(SMALL), out=out, name="stopped", stop_requested=lambda: next(asked) >= 15
    )
    return Places(finished.path, stopped.path, out / "outside", out / "marker")


def _copied(folder: Path, runs: Places) -> Places:
    """Return fresh copies of both runs."""
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(runs.finished, work / "finished" / "run")
    shutil.copytree(runs.stopped, work / "stopped" / "run")
    (work / "outside").mkdir()
    return Places(
        work / "finished" / "run", work / "stopped" / "run", work / "outside", work / "marker"
    )


def _tried(case: Case, places: Places, opened: list[str]) -> list[str]:
    """Return what did not hold for one case."""
    run = case.prepare(places)
    opened.clear()
    before = _outside(places.outside)
    problems: list[str] = []
    for name, operation in OPERATIONS.items():
        problem = _attempt(operation, run)
        problems += [f"{name}: {problem}"] if problem else []
        if len(problems) == ENOUGH:
            break
    if opened:
        problems.insert(0, f"opened or ran {opened[0]}")
    if places.marker.exists():
        problems.insert(0, "EXECUTED")
    after = _outside(places.outside)
    changed = sorted(name for name in before | after if before.get(name) != after.get(name))
    if changed:
        problems.append(f"outside of the run {', '.join(changed[:3])} changed")
    return problems


def _outside(folder: Path) -> dict[str, bytes]:
    """Return the files that lie outside of the runs, but for locks."""
    files = [p for p in folder.rglob("*") if p.is_file() and p.name not in (".lock", ".owner")]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files if p.stat().st_size < 2**24}


def _attempt(operation: Callable[[Path], object], run: Path) -> str:
    """Return what is wrong with how an operation ended."""
    try:
        with payloads.within(PATIENCE):
            operation(run)
    except GrokscopeError as error:
        lines = str(error).splitlines()
        if len(lines) > 5 or not all(line.isprintable() and len(line) < 2000 for line in lines):
            return f"{len(lines)} lines, or unprintable: {str(error)[:80]!r}"
    except payloads.Overtime as error:
        return f"hangs: {error}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"[:140]
    return ""


GROUP = Group("files", run, quick=12, long=1_000)

if __name__ == "__main__":
    _child(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
