"""A sweep whose workers and whose command are killed: every run ends, none is lost or done twice.

Of each ten attempts one, drawn by chance, is killed by SIGKILL at a random moment, and now and then
the command itself, which is then given again. Each attempt counts its steps in a file that outlives
it, so that the steps done in vain are known and not guessed.
"""

import functools
import json
import mmap
import os
import shutil
import signal
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from board import Group, Score
from groups.kill import forget_optimizer
from server import call, server
from trials import caught, differences, litter, told

import grokscope
from grokscope import pool, workers
from grokscope.config import encode
from grokscope.errors import GrokscopeError
from grokscope.store import checkpoint, open_run
from grokscope.sweeps import Sweep, members, run_sweep

BLOCK, DOOMED = 10, 1
"""Of as many attempts in a row, those whose worker is killed, drawn by chance."""
MANY = 7
"""The same in broken builds, so that few runs do."""
MUTANTS = ("forget_lost_runs", "begin_anew", "forget_optimizer")
EVERY, STEPS = 20, 120
COMMANDS = 3
"""Times that the command itself is killed."""
LIMIT = 300.0
"""Seconds without a new attempt after which a command counts as stuck."""
SAMPLE = 12
"""Runs that are compared with the same ones alone."""


def sweep_of(count: int) -> Sweep:
    """Return a sweep of `count` small runs of two moduli."""
    return Sweep(
        name="sweep",
        recipe="quick",
        set={
            "model.width": 24,
            "steps": STEPS,
            "stop": "never",
            "threads": 1,
            "measure.every": 10,
            "checkpoint.every": EVERY,
            "checkpoint.early": [],
        },
        list=tuple({"task.p": (17, 23)[i % 2], "seed": i // 2} for i in range(count)),
    )


def give(out: str, count: int, mutant: str) -> None:
    """Give the command: train what is missing of the sweep, with workers that keep books."""
    folder = Path(out)
    if mutant == "forget_lost_runs":
        pool.ATTEMPTS = 1
    settings = {"folder": str(folder), "mutant": mutant}
    (folder / "books").mkdir(parents=True, exist_ok=True)
    workers.train_one = functools.partial(attempt, settings)  # type: ignore[assignment]
    run_sweep(sweep_of(count), out=folder, workers=2)


def attempt(settings: Mapping[str, str], tree: Mapping[str, Any], path: str, *rest: Any) -> str:
    """Do what `train_one` does, note where it begins, and count its steps where a kill leaves them.

    It runs in a worker, which imports this module alone.
    """
    lanes, allow_drift, tell, stop = rest
    run, books = Path(path), Path(settings["folder"]) / "books"
    if settings["mutant"] == "begin_anew" and checkpoint.steps(run):
        shutil.rmtree(run)
    if settings["mutant"] == "forget_optimizer":
        forget_optimizer()
    number = len([*books.glob(f"{run.name}-*.steps")])
    facts = {
        "run": run.name,
        "number": number,
        "pid": os.getpid(),
        "command": os.getppid(),
        "done": _done(run),
        "from": max(checkpoint.steps(run), default=0),
    }
    with open(books / f"{run.name}-{number}.steps", "w+b") as file:
        file.write(bytes(8))
        file.flush()
        counter = mmap.mmap(file.fileno(), 8)
    with open(books / "attempts", "a") as log:
        log.write(json.dumps(facts) + "\n")
    asked = 0

    def counting_stop() -> bool:
        nonlocal asked
        counter[:] = struct.pack("q", asked)
        asked += 1
        return bool(stop())

    return workers.train_one(tree, path, lanes, allow_drift, tell, counting_stop)


def _done(run: Path) -> bool:
    try:
        return bool(open_run(run).status.get("state") == "finished")
    except GrokscopeError:
        return False


@dataclass
class Trial:
    """One sweep, its killer, and what both did."""

    folder: Path
    count: int
    seed: int
    life: float
    mutant: str = ""
    doomed: int = DOOMED
    commands: int = 0
    kills: int = 0
    command_kills: int = 0
    wasted: int = 0
    attempts: list[dict[str, Any]] = field(default_factory=list)

    def run(self, references: Mapping[str, Path]) -> list[str]:
        """Give the command, kill, give it again until it ends by itself; return what is wrong."""
        rng = np.random.default_rng([self.seed, self.count])
        marks = sorted(rng.uniform(0.1, 0.9, self.commands) * self.count)
        given = call(give, out=str(self.folder / "out"), count=self.count, mutant=self.mutant)
        (self.folder / "out").mkdir(parents=True)
        code, heard, known = -signal.SIGKILL, time.monotonic(), 0
        while code == -signal.SIGKILL:
            child = server().start(self.folder / "log", [given])
            while not child.ended(0.002):
                self._kill_workers()
                if len(self.attempts) > known:
                    heard, known = time.monotonic(), len(self.attempts)
                if time.monotonic() - heard > LIMIT:
                    child.send(signal.SIGKILL)
                    child.wait()
                    return [f"stuck: no attempt in {LIMIT:.0f} s"]
                if marks and len(self.attempts) > marks[0]:
                    del marks[0]
                    child.send(signal.SIGKILL)
                    self.command_kills += 1
            code = child.wait()
        if code:
            return [f"exit {code}: {child.said().strip()[-300:]}"]
        return self._wrong(references)

    def _kill_workers(self) -> None:
        """Read the books; kill those workers whose time has come."""
        for facts in _lines(self.folder / "out" / "books" / "attempts")[len(self.attempts) :]:
            self.attempts.append(facts)
            block, place = divmod(len(self.attempts) - 1, BLOCK)
            rng = np.random.default_rng([self.seed, block])
            doomed = place in rng.permutation(BLOCK)[: self.doomed]
            moment = rng.uniform(0, self.life, BLOCK)[place]
            facts["at"] = time.monotonic() + moment if doomed else np.inf
        for facts in self.attempts:
            if facts["at"] <= time.monotonic():
                facts["at"] = np.inf
                with suppress(ProcessLookupError):
                    os.kill(facts["pid"], signal.SIGKILL)
                    self.kills += 1

    def _wrong(self, references: Mapping[str, Path]) -> list[str]:
        self.attempts += _lines(self.folder / "out/books/attempts")[len(self.attempts) :]
        out, configs = self.folder / "out" / "sweep", members(sweep_of(self.count))
        there = {path.parent.name for path in out.glob("*/config.yaml")}
        wrong = [f"{name} is lost" for name in sorted(configs.keys() - there)]
        wrong += [f"{name} is no member" for name in sorted(there - configs.keys())]
        for name in sorted(there & configs.keys()):
            run = open_run(out / name)
            if run.status.get("state") != "finished" or run.status.get("step") != STEPS:
                wrong.append(f"{name} is {run.status.get('state')} at {run.status.get('step')}")
            wrong += [f"{name}: {line}" for line in run.verify()]
            if name in references:
                wrong += [f"{name}: {x}" for x in differences(out / name, references[name])]
        return wrong + self._in_vain()

    def _in_vain(self) -> list[str]:
        """Return what was done twice, and sum up the steps done in vain."""
        books, wrong = self.folder / "out" / "books", []
        before: dict[str, dict[str, Any]] = {}
        for x in self.attempts:
            name = f"{x['run']}-{x['number']}.steps"
            (x["steps"],) = struct.unpack("q", (books / name).read_bytes())
            self.wasted += x["steps"]
            if x["done"] and x["steps"]:
                wrong.append(f"{x['run']} was finished and is trained again")
            last = before.get(x["run"], x)
            reached = last["from"] + last["steps"]
            if last["command"] == x["command"] and last is not x and x["from"] < reached - EVERY:
                wrong.append(f"{x['run']} had reached {reached} and goes on from {x['from']}")
            before[x["run"]] = x
        self.wasted -= self.count * STEPS
        return wrong


def _lines(path: Path) -> list[dict[str, Any]]:
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines() if line.endswith("}")]


def alone(out: str, tree: Mapping[str, Any], name: str) -> None:
    """Train one member alone."""
    grokscope.train(tree, out=out, name=name)


def run(count: int, seed: int, folder: Path) -> Score:
    """Train a sweep of `count` runs under fire, and smaller ones of broken builds."""
    score = Score("sweep", tried=count)
    configs = members(sweep_of(count))
    names = [*configs][:6] + [*configs][6 :: max(1, count // SAMPLE)]
    for name in names:
        begun = time.perf_counter()
        given = call(alone, out=str(folder / "alone"), tree=encode(configs[name]), name=name)
        if server().run(folder / "log", [given]):
            raise RuntimeError((folder / "log").read_text())
        life = time.perf_counter() - begun
    references = {name: folder / "alone" / name for name in names}
    trial = Trial(folder / "trial", count, seed, 1.5 * life, commands=min(COMMANDS, count // 8))
    score.failures += trial.run(references)
    left = len(litter(trial.folder / "out" / "sweep"))
    score.notes.append(
        f"{count} runs of {STEPS} steps: {trial.kills} workers "
        f"({trial.kills / count:.0%} of the runs) and {trial.command_kills} commands killed, "
        f"{len(trial.attempts)} attempts, {trial.wasted:,} steps done in vain "
        f"({trial.wasted / (count * STEPS):.2%}); {len(names)} runs compared with the same ones "
        f"alone; {left} temporary files are left"
    )
    few = min(count, 6)
    same = {name: references[name] for name in members(sweep_of(few)) if name in references}
    for mutant in MUTANTS:

        def broken(number: int, mutant: str = mutant) -> str:
            where = folder / f"{mutant}-{number}"
            return told(Trial(where, few, seed + number, life, mutant, doomed=MANY).run(same))

        score.caught[mutant] = caught(broken, 4)
    return score


GROUP = Group("sweep", run, quick=16, long=300)
