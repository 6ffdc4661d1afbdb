"""SIGTERM, SIGUSR1 and SIGINT at random moments of the command: no step is lost, no time either."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from board import Group, Score
from server import Call, Child, call, server
from trials import RECIPES, Place, Reference, caught, observe, refer

from grokscope.cli import signals
from grokscope.store import checkpoint, open_run
from grokscope.store.writer import Writer

CODES = {signal.SIGTERM: 75, signal.SIGUSR1: 75, signal.SIGINT: 130}
IN_TIME = 5.0
REST = 0.03
"""Seconds a process rests at each row, so that most of its life is training."""
AT_ONCE = (1, 130, -signal.SIGINT)
"""How a command may end that was interrupted twice and gave up the step it was in."""
REAL = 25
"""Every so many trials the process is started afresh and not forked."""


def no_handlers() -> None:
    """Break the build: signals do what they do by default."""
    signals.CODES = {}


def no_last_checkpoint() -> None:
    """Break the build: a run that is stopped is not saved where it stands."""
    original = Writer.saved

    def saved(self: Writer, state: checkpoint.Checkpoint) -> None:
        if state.step % 10 == 0:
            original(self, state)

    Writer.saved = saved


def other_code() -> None:
    """Break the build: an interrupted run says that it failed."""
    signals.CODES = dict.fromkeys(CODES, 1)


MUTANTS = (no_handlers, no_last_checkpoint, other_code)


def run(count: int, seed: int, folder: Path) -> Score:
    """Send a signal to `count` commands, every other one of which goes on with a run."""
    score = Score("signals", tried=count)
    cast = [refer(server(), folder, recipe) for recipe in RECIPES]
    ends: dict[str, int] = {}
    slowest = 0.0
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        place = Place(server(), folder / f"trial-{number}", cast[number % len(cast)], command=True)
        trial = Trial(place, cast[number % len(cast)], list(CODES)[number % 3], rng)
        wrong = trial.run(real=number % REAL == REAL - 1)
        slowest = max(slowest, trial.seconds)
        ends[trial.end] = ends.get(trial.end, 0) + 1
        if wrong:
            score.failures.append(f"trial {number} ({trial.number.name}): {wrong}")
        place.clear()
    for mutant in MUTANTS:

        def broken(number: int, mutant: Any = mutant) -> str:
            place = Place(server(), folder / f"{mutant.__name__}-{number}", cast[0], command=True)
            rng = np.random.default_rng([seed, number])
            return Trial(place, cast[0], list(CODES)[number % 3], rng).run(call(mutant))

        score.caught[mutant.__name__] = caught(broken, 9)
    told = ", ".join(f"{many} {end}" for end, many in sorted(ends.items()))
    score.notes.append(f"{told}; the slowest end took {slowest:.2f} s")
    return score


class Trial:
    """One command and one signal."""

    def __init__(
        self, place: Place, reference: Reference, number: signal.Signals, rng: np.random.Generator
    ) -> None:
        self.number, self.seconds, self.end = number, 0.0, "undisturbed"
        self.twice = number == signal.SIGINT and bool(rng.random() < 0.25)
        self._place, self._reference, self._rng = place, reference, rng
        self._before = 0

    def run(self, *before: Call, real: bool = False) -> str:
        """Interrupt, check, perhaps interrupt again, go on, compare; return what is wrong."""
        for _ in range(1 + int(self._rng.random() < 0.5)):
            code = self._interrupt(*before, real=real)
            if wrong := self._wrong(code):
                return wrong
        return self._place.finish(*before)

    def _interrupt(self, *before: Call, real: bool) -> int:
        """Send the signal at a random moment, mostly while the run is training."""
        self._before = began = self._began()
        resting = call(observe, path=str(self._place.folder / "seen"), pause=REST)
        here, reference = self._place, self._reference
        child = _Real(here, reference) if real else here.start(resting, *before)
        if real or self._rng.random() < 0.85:
            self._wait_for_a_writer(child, began)
        time.sleep(self._rng.uniform(0, 0.8) * (self._reference.seconds + 10 * REST))
        sent = time.monotonic()
        child.send(self.number)
        if self.twice:
            time.sleep(self._rng.uniform(0, 0.005))
            child.send(self.number)
        code = child.wait()
        self.seconds = max(self.seconds, time.monotonic() - sent)
        return code

    def _began(self) -> int:
        owner = self._place.path / ".owner"
        return owner.stat().st_mtime_ns if owner.exists() else 0

    def _wait_for_a_writer(self, child: "Child | _Real", began: int) -> None:
        while self._began() == began and not child.ended(0.001):
            pass

    def _wrong(self, code: int) -> str:
        run = self._place.path
        if self.seconds > IN_TIME:
            return f"took {self.seconds:.1f} s"
        if self._began() == self._before:  # it had not become the writer yet
            self.end = "before it wrote"
            done = run.exists() and open_run(run).status["state"] == "finished"
            allowed = (-self.number, CODES[self.number], *AT_ONCE, *((0,) if done else ()))
            return "" if code in allowed else f"exit {code}"
        status = open_run(run).status
        if status["state"] == "finished":
            self.end = "after the end"
            return "" if code in (0, -self.number, *AT_ONCE) else f"exit {code}: {self._place.said}"
        self.end = "while training"
        if self.twice and code in AT_ONCE:
            return self._place.lost()
        if code != CODES[self.number]:
            return f"exit {code}: {self._place.said}"
        steps = checkpoint.steps(run)
        if status["state"] != "interrupted" or steps[-1:] != [status["step"]]:
            return f"{status['state']} at step {status['step']}, saved at {steps}"
        seen = [int(n) for n in re.findall(r"^step\s+(\d+)  ", self._place.all_said, re.MULTILINE)]
        if seen and seen[-1] > steps[-1]:
            return f"saw step {seen[-1]}, saved {steps[-1]}"
        return "; ".join(open_run(run).verify())


class _Real:
    """A command in a process of its own, with the manner of a Child."""

    def __init__(self, place: Place, reference: Reference) -> None:
        begin = [
            *("train", reference.recipe.recipe, *reference.recipe.overrides),
            *("--out", str(place.disk), "--name", place.path.name),
        ]
        words = ["resume", str(place.path)] if place.path.exists() else begin
        with (place.folder / "log").open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "grokscope", *words, "--no-report"],
                stdout=subprocess.DEVNULL,
                stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )

    def send(self, number: int) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def ended(self, timeout: float) -> bool:
        """Return whether it ends within some seconds."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def wait(self) -> int:
        """Return the exit code."""
        return self._process.wait(60)


GROUP = Group("signals", run, quick=6, long=100)
