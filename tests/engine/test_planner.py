import dataclasses

import pytest

from grokscope.config import load
from grokscope.engine import Machine, plan
from grokscope.engine.planner import PROCESS, step_bytes
from grokscope.errors import ConfigError

GB = 1 << 30


def runs(count, *overrides):
    return [load("transformer-17", [f"seed={seed}", *overrides]) for seed in range(count)]


def free(count, **options):
    """Return runs that leave the number of threads to the plan."""
    return [dataclasses.replace(config, threads=None, **options) for config in runs(count)]


def shape(planned):
    return [(job.runs, job.lanes) for job in planned.jobs], planned.workers


@pytest.mark.parametrize(
    ("count", "cores", "lanes", "workers"),
    [
        (1, 2, [2], 1),
        (2, 2, [1, 1], 2),
        (3, 2, [1, 1, 2], 2),
        (9, 2, [1] * 8 + [2], 2),
        (3, 8, [2, 2, 2], 3),
        (10, 4, [1] * 8 + [2, 2], 4),
        (2, 1, [1, 1], 1),
    ],
)
def test_cores_are_shared_between_runs(count, cores, lanes, workers):
    planned = plan(free(count), Machine(cores=cores, memory=64 * GB))
    assert shape(planned) == ([((i,), n) for i, n in enumerate(lanes)], workers)


def test_no_more_runs_at_once_than_fit_the_memory():
    planned = plan(free(12), Machine(cores=12, memory=2 * GB))
    assert planned.workers == int(0.8 * 2 * GB // planned.jobs[0].bytes)
    assert plan(free(12), Machine(cores=12, memory=1)).workers == 1


def test_threads_that_a_run_asks_for_are_its_own():
    planned = plan(runs(4, "threads=3"), Machine(cores=8, memory=64 * GB))
    assert shape(planned) == ([((i,), 3) for i in range(4)], 2)


def test_on_a_device_alike_runs_are_batched_as_far_as_memory_goes():
    configs = free(5, device="cuda") + [
        dataclasses.replace(c, device="cuda") for c in runs(2, "model.d_model=16")
    ]
    one = step_bytes(configs[0])
    planned = plan(configs, Machine(cores=4, memory=GB, cuda_memory=int(2.5 * one / 0.8)))
    assert planned.workers == 1
    assert [job.runs for job in planned.jobs][:3] == [(0, 1), (2, 3), (4,)]
    assert sorted(run for job in planned.jobs for run in job.runs) == list(range(7))
    assert "in a batch of 2" in str(planned)


def test_a_wider_network_takes_more_memory():
    narrow, wide = (load("transformer-17", [f"model.d_mlp={size}"]) for size in (64, 1024))
    assert step_bytes(wide) > 2 * step_bytes(narrow) > 0
    small = plan([narrow], Machine(cores=1, memory=GB)).jobs[0]
    assert small.bytes == PROCESS + step_bytes(narrow)


def test_a_plan_is_for_one_device():
    with pytest.raises(ConfigError, match=r"^device: a plan is for one device, got \['cpu', 'cuda"):
        plan([*free(1), *free(1, device="cuda")])
    with pytest.raises(ConfigError, match="no run"):
        plan([])


def test_this_machine_has_cores_and_memory():
    here = Machine.here()
    assert here.cores >= 1
    assert here.memory > GB / 4
