"""Which runs train together, and on how much of the machine."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from grokscope.config import RunConfig, problem_of
from grokscope.engine.loop import cohort_key
from grokscope.errors import ConfigError
from grokscope.ops.memory import SHARE, free_memory

PROCESS = 400 << 20
"""Bytes of a process that has loaded PyTorch."""


@dataclass(frozen=True)
class Machine:
    """What there is to train on: CPU cores, free bytes, and free bytes of the CUDA device."""

    cores: int
    memory: int
    cuda_memory: int = 0

    @classmethod
    def here(cls) -> "Machine":
        """Return this machine as it is now."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        cuda = torch.cuda.mem_get_info()[0] if torch.cuda.is_available() else 0
        return cls(cores or 1, free_memory(), cuda)


@dataclass(frozen=True)
class Job:
    """Runs, by number, that one process trains as one cohort on `lanes` threads."""

    runs: tuple[int, ...]
    lanes: int
    bytes: int


@dataclass(frozen=True)
class Plan:
    """Jobs in order, of which `workers` are under way at once."""

    jobs: tuple[Job, ...]
    workers: int
    device: str

    def __str__(self) -> str:
        runs = sum(len(job.runs) for job in self.jobs)
        head = f"{_count(runs, 'run')} on {self.device}: {_count(len(self.jobs), 'job')}"
        kinds = {(len(job.runs), job.lanes): job for job in self.jobs}
        lines = [f"{head}, {self.workers} at a time"]
        for (size, lanes), job in kinds.items():
            count = sum((len(other.runs), other.lanes) == (size, lanes) for other in self.jobs)
            what = "alone" if size == 1 else f"in a batch of {size}"
            where = f"on {_count(lanes, 'thread')}" if self.device == "cpu" else "in one step"
            memory = f"about {job.bytes / 1e9:.1f} GB each"
            lines.append(f"  {_count(count, 'job')} {what}, {where}, {memory}")
        return "\n".join(lines)


def plan(
    configs: Sequence[RunConfig], machine: Machine | None = None, *, workers: int | None = None
) -> Plan:
    """Return how to train runs, one job after another or several at once.

    machine: by default this one; workers: processes at most, by default as many as it has room for.

    On a CPU every run is a job: processes of one thread do more in a second than one process of
    many threads. The runs that are left when the cores no longer divide them get several threads
    each. On another device runs that differ only in PER_RUN fields are batched as far as its
    memory goes, one batch at a time. Raises ConfigError for runs of different devices.

    >>> from grokscope.config import load
    >>> seeds = [load("nanda-113", [f"seed={seed}"]) for seed in range(3)]
    >>> print(plan(seeds, Machine(cores=2, memory=8 << 30)))
    3 runs on cpu: 3 jobs, 2 at a time
      2 jobs alone, on 1 thread, about 0.5 GB each
      1 job alone, on 2 threads, about 0.5 GB each
    """
    machine = machine or Machine.here()
    devices = {config.device for config in configs}
    if len(devices) != 1:
        raise ConfigError(f"device: a plan is for one device, got {sorted(devices) or 'no run'}")
    (device,) = devices
    groups: dict[object, list[int]] = {}
    for number, config in enumerate(configs):
        groups.setdefault(cohort_key(config), []).append(number)
    sizes = {runs[0]: step_bytes(configs[runs[0]]) for runs in groups.values()}
    if device == "cpu":
        needed = {run: PROCESS + sizes[runs[0]] for runs in groups.values() for run in runs}
        return _processes(configs, needed, machine, workers or machine.cores)
    free = SHARE * (machine.cuda_memory or machine.memory)
    jobs = []
    for runs in groups.values():
        most = max(1, int(free // sizes[runs[0]]))
        chunks = [tuple(runs[start : start + most]) for start in range(0, len(runs), most)]
        jobs += [Job(chunk, 1, len(chunk) * sizes[runs[0]]) for chunk in chunks]
    return Plan(tuple(jobs), 1, device)


def _processes(
    configs: Sequence[RunConfig], needed: dict[int, int], machine: Machine, most: int
) -> Plan:
    fitting = max(1, int(SHARE * machine.memory // max(needed.values())))
    asked = max(config.threads or 1 for config in configs)
    workers = max(1, min(len(configs), machine.cores // asked, fitting, most))
    whole = len(configs) - len(configs) % workers
    jobs = []
    for number, config in enumerate(configs):
        share = workers if number < whole else len(configs) - whole
        lanes = config.threads or max(1, machine.cores // share)
        jobs.append(Job((number,), lanes, needed[number]))
    return Plan(tuple(jobs), workers, "cpu")


def step_bytes(config: RunConfig) -> int:
    """Return about how many bytes a step of one run takes.

    Twice what autograd keeps for the backward pass, since gradients are as large as activations,
    and twelve copies of the parameters: optimizer, update, checkpoint and their temporaries.
    """
    problem, params = problem_of(config, device="cpu")
    kept: dict[int, int] = {}

    def keep(x: torch.Tensor) -> torch.Tensor:
        kept[x.data_ptr()] = x.numel() * x.element_size()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        problem.terms(problem.train)
    return 2 * sum(kept.values()) + 12 * params.numel() * params.element_size()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
