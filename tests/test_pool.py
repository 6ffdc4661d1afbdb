"""A pool finishes every call, whatever becomes of its workers."""

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from grokscope.pool import ATTEMPTS, Again, Ended, run_calls

HERE = Path(__file__).parent
KILLED = "its process died (signal 9)"


@pytest.fixture
def heard_of(tmp_path, monkeypatch):
    """Return a function that makes calls and returns what was heard, in order."""
    monkeypatch.syspath_prepend(str(HERE))
    from pool_work import work

    def run(*whats, workers=1, watch=lambda number, message: None, stop=lambda: False):
        found = []

        def heard(number, message):
            found.append((number, message))
            watch(number, message)

        calls = [(what, str(tmp_path)) for what in whats]
        run_calls(work, calls, workers=workers, heard=heard, stop_requested=stop)
        return found

    return run


def ends(found):
    return {number: message.reason for number, message in found if isinstance(message, Ended)}


def repeats(found):
    return [(number, message.reason) for number, message in found if isinstance(message, Again)]


def pids(found):
    return [message for _, message in found if isinstance(message, int)]


def gone(pid, seconds=30):
    """Return whether a process ends within some seconds."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    waiting = select.poll()
    waiting.register(handle, select.POLLIN)
    try:
        return bool(waiting.poll(seconds * 1000))
    finally:
        os.close(handle)


def test_each_call_is_made_once_by_as_many_workers_as_are_allowed(heard_of):
    found = heard_of("a", "b", "diverge", "c", workers=2)
    assert ends(found) == {0: "", 1: "", 2: "diverged", 3: ""}
    assert Counter(number for number, _ in found) == dict.fromkeys(range(4), 2)
    assert 1 <= len(set(pids(found))) <= 2
    assert all(gone(pid) for pid in pids(found))


@pytest.mark.parametrize("how", ["die", "die in a message", "talk nonsense"])
def test_what_a_dead_worker_had_under_way_is_begun_again(heard_of, how):
    found = heard_of(how, "other")
    assert repeats(found) == [(0, KILLED)]
    assert ends(found) == {0: "", 1: ""}


def test_a_worker_that_is_killed_while_idle_loses_nothing(heard_of):
    last = []

    def kill_when_done(number, message):
        if isinstance(message, int):
            last[:] = [message]
        elif isinstance(message, Ended) and number == 0:
            os.kill(last[0], signal.SIGKILL)

    found = heard_of("first", "second", watch=kill_when_done)
    assert ends(found) == {0: "", 1: ""}
    assert repeats(found) == [(1, KILLED)]


def test_a_call_that_kills_every_worker_ends_and_the_others_are_made(heard_of):
    found = heard_of("die always", "other")
    assert repeats(found) == [(0, KILLED)] * (ATTEMPTS - 1)
    assert ends(found) == {0: KILLED, 1: ""}
    assert len(set(pids(found))) == ATTEMPTS + 1


def test_a_disk_that_refuses_is_tried_again_in_the_same_process(heard_of):
    found = heard_of("full disk", "full disk always")
    assert ends(found) == {0: "", 1: "the disk is full"}
    assert repeats(found) == [(0, "the disk is full")] + [(1, "the disk is full")] * (ATTEMPTS - 1)
    assert len(set(pids(found))) == 1


def test_another_error_is_not_tried_again(heard_of):
    found = heard_of("raise", "other")
    assert ends(found) == {0: "ValueError: no such thing", 1: ""}
    assert repeats(found) == []


def test_asked_to_stop_what_is_under_way_ends_and_no_other_begins(heard_of):
    begun = []
    found = heard_of(
        "wait until told",
        "other",
        watch=lambda number, message: begun.append(number),
        stop=lambda: bool(begun),
    )
    assert ends(found) == {0: ""}


def test_workers_of_a_killed_parent_end(tmp_path):
    # a script without a guard, which workers must not run again
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(HERE)!r})\n"
        "from pool_work import work\n"
        "from grokscope.pool import run_calls\n"
        f"calls = [('wait until told', {str(tmp_path)!r})] * 2\n"
        "heard = lambda number, message: print(message, flush=True)\n"
        "run_calls(work, calls, workers=2, heard=heard)\n"
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        workers = [int(parent.stdout.readline()) for _ in range(2)]
        with contextlib.ExitStack() as stack:
            for pid in workers:
                stack.callback(os.close, os.pidfd_open(pid))  # both are there
        parent.kill()
    assert all(gone(pid) for pid in workers)
