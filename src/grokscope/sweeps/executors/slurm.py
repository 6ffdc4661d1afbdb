"""Members as jobs of a Slurm cluster, one array of them, handed in by submitit.

Partition, account, time limit and the like are Slurm's own variables, which win over what stands in
the script: SBATCH_PARTITION, SBATCH_ACCOUNT, SBATCH_QOS, SBATCH_TIMELIMIT, SBATCH_CONSTRAINT.
"""

import contextlib
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grokscope.config import RunConfig, encode
from grokscope.engine import plan
from grokscope.errors import ConfigError
from grokscope.launch import Stop
from grokscope.pool import ATTEMPTS, Again, Ended, make_call
from grokscope.workers import News, Told, how_it_stands, news_of, train_one

REQUEUE = 75
"""Exit code of a job that was told to end and has saved a checkpoint."""
MINUTES = 60
"""Time limit of a job without SBATCH_TIMELIMIT; one that meets it is queued again and goes on."""
REQUEUES = 1000
"""Times at most that one job meets its time limit."""
NOTICE = 90
"""Seconds before its time limit at which a job is told."""
LOOK = 1.0
"""Seconds between two looks at the directories of the runs."""
AT_ONCE = 256
"""Jobs of an array that run at once, unless the number of workers is given."""


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

    A job that nears its time limit saves a checkpoint, is queued again and goes on from there; one
    that gets SIGTERM saves a checkpoint and ends with exit code 75. When stop_requested answers
    True the jobs are canceled, which gives them that signal. Raises ConfigError without submitit
    and where there is no Slurm.
    """
    jobs = submit(configs, folder, "slurm", workers=workers, allow_drift=allow_drift)
    follow(jobs, folder, told=told, stop_requested=stop_requested)


def submit(
    configs: Mapping[str, RunConfig],
    folder: Path,
    cluster: str,
    *,
    workers: int | None = None,
    allow_drift: bool = False,
) -> dict[str, Any]:
    """Hand in one job for each run and return the jobs by the names of the runs.

    cluster: which of submitit's, `slurm` or `local`. What submitit keeps, and what the jobs say, is
    in `.jobs` below the folder.
    """
    submitit, folder = _submitit(), folder.resolve()
    chosen = list(configs.values())
    lanes = max(config.threads or 1 for config in chosen)
    needed = max(job.bytes / len(job.runs) for job in plan(chosen, workers=1).jobs)
    try:
        executor = submitit.AutoExecutor(
            folder / ".jobs", cluster=cluster, slurm_max_num_timeout=REQUEUES
        )
    except RuntimeError:
        raise ConfigError(
            "executor: expected a machine of a Slurm cluster, with sbatch and srun; "
            "choose --executor local or ray"
        ) from None
    executor.update_parameters(
        name=folder.name,
        timeout_min=MINUTES,
        cpus_per_task=lanes,
        **({"gpus_per_node": 1} if any(config.device == "cuda" for config in chosen) else {}),
        mem_gb=1 + round(2 * needed / 2**30),
        slurm_signal_delay_s=NOTICE,
        slurm_array_parallelism=workers or AT_ONCE,
        slurm_additional_parameters={"requeue": True},
    )
    calls = [
        (encode(config), str(folder / name), lanes, allow_drift) for name, config in configs.items()
    ]
    with executor.batch():
        jobs = [executor.submit(Job(), call) for call in calls]
    return dict(zip(configs, jobs, strict=True))


def follow(
    jobs: Mapping[str, Any], folder: Path, *, told: Told, stop_requested: Stop = lambda: False
) -> None:
    """Tell how the runs of jobs stand until all are over; cancel them when asked to stop."""
    left, known = dict(jobs), dict.fromkeys(jobs, 0)
    stopping = False
    while left:
        if not stopping and stop_requested():
            stopping = True
            _cancel(list(left.values()))
        for place, (name, job) in enumerate(list(left.items())):
            over = job.done(force_check=stopping and place == 0)  # one question is about all
            news = _over(job, folder / name) if over else _under_way(folder / name)
            if over:
                del left[name]
            if news is not None and (over or news.step > known[name]):
                known[name] = news.step
                told(news)
        if left:
            time.sleep(LOOK)


class Job:
    """What a job does: bring one run to its end, or to a checkpoint when it is told to end."""

    def __call__(self, call: tuple[Any, ...]) -> str:
        """Return what went wrong, or an empty text; end the process where the job was told to.

        call: what `train_one` takes, but for the last two arguments.
        """
        received: list[int] = []
        theirs = signal.getsignal(_notice())
        for number in (_notice(), signal.SIGTERM):
            signal.signal(number, lambda number, frame: received.append(number))
        message: Ended | Again = Ended("")
        for _ in range(ATTEMPTS):
            message = make_call(train_one, call, lambda news: None, lambda: bool(received))
            if isinstance(message, Ended):
                break
        if not received or message.reason or _whole(Path(call[1])):
            return message.reason
        if _notice() in received and callable(theirs):
            theirs(_notice(), None)  # submitit queues the job again and ends the process
        raise SystemExit(REQUEUE)

    def checkpoint(self, call: tuple[Any, ...]) -> Any:
        """Return what the job does when it is queued again: the same, from the checkpoint."""
        return _submitit().helpers.DelayedSubmission(self, call)


def _whole(path: Path) -> bool:
    return how_it_stands(path).state != "interrupted"


def _notice() -> signal.Signals:
    """Return the signal that submitit lets Slurm send before the time limit."""
    name: str = _submitit().JobEnvironment.USR_SIG
    return signal.Signals[f"SIG{name}"]


def _cancel(jobs: Sequence[Any]) -> None:
    for job in jobs:
        job.cancel(check=False)


def _under_way(path: Path) -> News | None:
    """Return how a run stands that may be under way."""
    if not (path / "status.json").is_file():
        return None
    news = how_it_stands(path)
    return news if news.state == "running" else None


def _over(job: Any, path: Path) -> News | None:
    """Return how a run stands whose job is over; None where the job never ran."""
    reason = ""
    if job.paths.result_pickle.exists():
        with contextlib.suppress(Exception):  # what the job says is for people to read
            error = job.exception()
            reason = job.result() if error is None else str(error).strip().splitlines()[-1]
    elif not path.exists():
        return None
    return news_of(path, Ended(reason))


def _submitit() -> Any:
    try:
        import submitit  # noqa: PLC0415
    except ImportError:
        raise ConfigError(
            "executor: expected submitit for `slurm`, it is not installed; "
            "pip install 'grokscope[slurm]'"
        ) from None
    return submitit
