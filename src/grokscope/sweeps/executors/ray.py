"""Members as tasks of a Ray cluster: one that is there, or one of this machine for this sweep."""

import contextlib
import functools
import os
import secrets
import shutil
import signal
import sys
import tempfile
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from grokscope.config import RunConfig, encode
from grokscope.engine import Machine, plan
from grokscope.errors import ConfigError
from grokscope.launch import Stop
from grokscope.pool import ATTEMPTS, POLL, Again, Ended, make_call, sometimes
from grokscope.workers import Told, news_of, train_one

STORE = 80 << 20
"""Bytes of Ray's shared memory, of which hardly any is used; Ray asks for 75 MB at least."""
LONGEST = 35
"""Letters of a folder for temporary files in which the names of Ray's sockets still fit."""


def execute(
    configs: Mapping[str, RunConfig],
    folder: Path,
    *,
    workers: int | None,
    told: Told,
    stop_requested: Stop,
    allow_drift: bool,
) -> None:
    """Train the runs of `configs`, each in the directory of its name below `folder`.

    Joins the cluster of RAY_ADDRESS, or the one this process has joined; otherwise starts one of
    this machine, reached from it alone, and stops it at the end. A run whose worker is lost is
    begun again from its checkpoint, ATTEMPTS times in all. Raises ConfigError without Ray, for a
    cluster that does not answer, and for runs of more threads than any of its machines has.
    """
    chosen, folder = list(configs.values()), folder.resolve()
    with _cluster(chosen, workers) as (ray, lanes, room):
        board = ray.remote(num_cpus=0, max_restarts=-1)(_Board).remote()
        numbers = range(len(chosen))

        def begin(number: int) -> Any:
            """Return the reference to what a task will say at the end of a run."""
            config = chosen[number]
            call = (encode(config), str(paths[number]), lanes[number], allow_drift)
            needs = {"num_cpus": lanes[number], "num_gpus": int(config.device == "cuda")}
            return ray.remote(max_retries=0, **needs)(_task).remote(board, number, call)

        paths = [folder / name for name in configs]
        _follow(
            ray,
            board,
            numbers,
            begin,
            room=room,
            heard=lambda number, message: told(news_of(paths[number], message)),
            stop_requested=stop_requested,
        )


def _follow(
    ray: Any,
    board: Any,
    numbers: Sequence[int],
    begin: Callable[[int], Any],
    *,
    room: Callable[[], int],
    heard: Callable[[int, Any], None],
    stop_requested: Stop,
) -> None:
    """Begin each number's task as there is room, and again where its worker is lost."""
    waiting, tries = deque(numbers), Counter[int]()
    busy: dict[Any, int] = {}
    stopping = False
    while waiting or busy:
        stopping = stopping or stop_requested()
        if stopping:
            waiting.clear()
            board.stop.remote()
        most = room() if waiting else 0
        while waiting and len(busy) < most:
            number = waiting.popleft()
            tries[number] += 1
            busy[begin(number)] = number
        ready, _ = ray.wait([*busy], num_returns=len(busy), timeout=POLL)
        under_way = {*busy.values()} - {busy[reference] for reference in ready}
        for number, news in _taken(ray, board):
            if number in under_way:  # what is told late is no news
                heard(number, news)
        for reference in ready:
            number, message = busy.pop(reference), _received(ray, reference)
            if isinstance(message, Again):
                if not stopping and tries[number] < ATTEMPTS:
                    waiting.appendleft(number)
                else:
                    message = Ended(message.reason)
            if message is not None:
                heard(number, message)


class _Board:
    """An actor: here tasks leave their news and ask whether to stop."""

    def __init__(self) -> None:
        self._news: dict[int, Any] = {}
        self._stopping = False

    def tell(self, number: int, news: Any) -> None:
        """Keep the latest news of a run."""
        self._news[number] = news

    def take(self) -> list[tuple[int, Any]]:
        """Return what is new."""
        taken, self._news = [*self._news.items()], {}
        return taken

    def stop(self) -> None:
        """Let every task stop at its next step."""
        self._stopping = True

    def stopping(self) -> bool:
        """Return whether to stop."""
        return self._stopping


def _task(board: Any, number: int, call: tuple[Any, ...]) -> Ended | Again | None:
    """Bring one run to its end on a worker; None where it was not even begun."""
    import ray  # noqa: PLC0415

    asked = [board.stopping.remote()]
    if _answer(ray, asked[0], timeout=None):
        return None

    def ask() -> bool:
        answer = _answer(ray, asked[0], timeout=0)
        if answer is not None:
            asked[0] = board.stopping.remote()
        return bool(answer)

    def tell(news: Any) -> None:
        board.tell.remote(number, news)

    return make_call(train_one, call, tell, sometimes(ask))


def _answer(ray: Any, reference: Any, *, timeout: float | None) -> bool | None:
    """Return the answer to whether to stop, None while there is none; no board says no."""
    if not ray.wait([reference], timeout=timeout)[0]:
        return None
    try:
        return bool(ray.get(reference))
    except ray.exceptions.RayError:
        return False


def _taken(ray: Any, board: Any) -> list[tuple[int, Any]]:
    try:
        taken: list[tuple[int, Any]] = ray.get(board.take.remote())
    except ray.exceptions.RayError:  # news are lost with the board, runs are not
        return []
    return taken


def _received(ray: Any, reference: Any) -> Ended | Again | None:
    """Return how a task ended; Again where its worker was lost."""
    try:
        message: Ended | Again | None = ray.get(reference)
    except ray.exceptions.RayTaskError as error:  # a worker that cannot even begin
        return Ended(str(error).strip().splitlines()[-1])
    except ray.exceptions.RayError as error:
        return Again(f"its worker was lost ({type(error).__name__})")
    return message


def _ray() -> Any:
    try:
        import ray  # noqa: PLC0415
    except ImportError:
        raise ConfigError(
            "executor: expected Ray for `ray`, it is not installed; pip install 'grokscope[ray]'"
        ) from None
    return ray


@functools.cache
def _key() -> str | None:
    """Return a secret of this process for clusters of its own.

    Ray reads it when it is first imported; None, and Ray's own, where that was before.
    """
    return None if "ray" in sys.modules else secrets.token_hex(32)


@contextlib.contextmanager
def _cluster(
    configs: Sequence[RunConfig], workers: int | None
) -> Iterator[tuple[Any, list[int], Callable[[], int]]]:
    """Be in a cluster; yield Ray, the threads of each run, and what tells how many have room."""
    address = os.environ.get("RAY_ADDRESS", "local")
    loaded = sys.modules.get("ray")
    inside = loaded is not None and loaded.is_initialized()
    if address == "local" and not inside:
        planned = plan(configs, workers=workers)
        lanes = {number: job.lanes for job in planned.jobs for number in job.runs}
        with _own_cluster(max(Machine.here().cores, *lanes.values())) as ray:
            yield ray, [lanes[number] for number in range(len(configs))], lambda: planned.workers
        return
    ray, asked = _ray(), [config.threads or 1 for config in configs]
    with contextlib.nullcontext() if inside else _joined(ray, address):
        largest = max(node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"])
        if max(asked) > largest:
            raise ConfigError(
                f"threads: expected at most {largest:.0f}, as the largest machine of the Ray "
                f"cluster has, got {max(asked)}"
            )
        yield ray, asked, lambda: workers or max(1, int(ray.cluster_resources().get("CPU", 1)))


@contextlib.contextmanager
def _joined(ray: Any, address: str) -> Iterator[None]:
    try:
        with _own_signals():
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, ValueError) as error:
        raise ConfigError(
            f"RAY_ADDRESS: expected a Ray cluster at {address!r}: {str(error).splitlines()[0]}"
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _own_cluster(cores: int) -> Iterator[Any]:
    """Start a cluster that listens on this machine alone, under a key of its own, and tells nobody.

    Its files are below a folder for temporary ones and are removed with it.
    """
    root = tempfile.gettempdir()
    place = tempfile.mkdtemp(prefix="ray-", dir=root if len(root) <= LONGEST else "/tmp")  # noqa: S108
    key = _key()
    settings = {
        **({} if key is None else {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": key}),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }
    try:
        with _environment(settings):
            ray = _ray()
            with _own_signals():
                ray.init(
                    address="local",
                    num_cpus=cores,
                    include_dashboard=False,
                    object_store_memory=STORE,
                    log_to_driver=False,
                    logging_level="ERROR",
                    _node_ip_address="127.0.0.1",
                    _temp_dir=place,
                )
            try:
                yield ray
            finally:
                ray.shutdown()
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep what this process does at SIGTERM; Ray's own handler would end it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
