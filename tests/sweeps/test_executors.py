"""Where the members of a sweep are trained changes none of their bits."""

import importlib.util
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import grokscope
from grokscope.errors import ConfigError
from grokscope.sweeps import Sweep, members
from grokscope.sweeps.executors import executor_named, slurm

HERE = Path(__file__).parent
SMALL = Sweep(
    name="small",
    recipe="quick",
    set={"task.p": 5, "model.width": 6, "steps": 40, "stop": "never", "checkpoint.every": 20},
    grid={"seed": (0, 1)},
)
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is missing")
needs_submitit = pytest.mark.skipif(
    importlib.util.find_spec("submitit") is None, reason="submitit is missing"
)


def same(run, other):
    assert run.verify() == []
    assert run.status["state"] == "finished"
    assert run.steps == other.steps
    assert torch.equal(run.snapshot().params, other.snapshot().params)
    assert run.history.drop("seconds").equals(other.history.drop("seconds"))


def on_loopback(*words):
    """Return a command in a network namespace where there is nothing else, if one can be made."""
    inside = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"']
    try:
        subprocess.run([*inside, "sh", "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return list(words)
    return [*inside, "sh", *words]


@needs_ray
@pytest.mark.slow
def test_ray_gives_the_bits_of_each_run_alone_though_a_worker_is_killed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    from ray_sweep import DOOMED, SWEEP

    out = tmp_path / "ray"
    out.mkdir()
    command = on_loopback(sys.executable, str(HERE / "ray_sweep.py"), str(out))
    settings = {name: x for name, x in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=settings)
    assert done.returncode == 0, done.stderr
    facts = json.loads((out / "facts.json").read_text())
    lost = [(name, reason) for name, state, reason in facts["heard"] if state == "again"]
    assert [name for name, _ in lost] == [DOOMED]
    assert lost[0][1].startswith("its worker was lost (")
    assert facts["same handler"]
    assert facts["settings"] == facts["left"] == []
    found = grokscope.open_all(out / SWEEP.name)
    assert sorted(run.name for run in found) == sorted(members(SWEEP))
    for run in found:  # and so does local, which has a test of its own
        same(run, grokscope.train(members(SWEEP)[run.name], out=tmp_path / "alone"))


@needs_submitit
@pytest.mark.slow
def test_a_job_that_is_told_to_end_is_queued_again_and_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(slurm, "LOOK", 0.02)
    long = ["steps=2000", "checkpoint.every=1000"]
    whole = grokscope.train(members(SMALL)["s0"], long, out=tmp_path / "alone", name="s0")
    jobs = slurm.submit({"s0": whole.config}, tmp_path / "small", "local")
    (job,) = jobs.values()
    heard = []

    def told(news):
        if news.state == "running" and not heard:
            owner = json.loads((tmp_path / "small/s0/.owner").read_text())
            os.kill(owner["pid"], signal.SIGUSR2)
        heard.append(news.state)

    slurm.follow(jobs, tmp_path / "small", told=told)
    assert heard[0] == "running"
    assert heard[-1] == "finished"
    log = job.stdout()
    assert "Requeued job" in log
    assert log.count("Starting with") == 2
    run = grokscope.open(tmp_path / "small/s0")
    interrupted = [step for step in run.steps if step not in whole.steps]
    assert len(interrupted) <= 1
    assert torch.equal(run.snapshot().params, whole.snapshot().params)
    assert run.history.drop("seconds").equals(whole.history.drop("seconds"))


@needs_submitit
@pytest.mark.slow
def test_a_job_that_gets_sigterm_ends_with_75_and_a_checkpoint(tmp_path):
    (config, _) = members(SMALL).values()
    script = (
        "import os, signal, sys, threading\n"
        "from pathlib import Path\n"
        "from grokscope import workers\n"
        "from grokscope.config import load\n"
        "from grokscope.sweeps.executors.slurm import Job\n"
        "original = workers.settle\n"
        "def settle(*args, **options):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    return original(*args, **options)\n"
        "workers.settle = settle\n"
        "from grokscope.config import encode\n"
        f"Job()((encode(load({str(tmp_path / 'small.yaml')!r})), sys.argv[1], 1, False))\n"
    )
    from grokscope.config import to_yaml

    (tmp_path / "small.yaml").write_text(to_yaml(config))
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "s0")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 75, done.stderr
    run = grokscope.open(tmp_path / "s0")
    assert run.status["state"] == "interrupted"
    assert run.steps == [0]


SBATCH = f"""#!{sys.executable}
print("Submitted batch job 7")
"""


@needs_submitit
def test_the_batch_script_is_one_array_that_is_queued_again(tmp_path, monkeypatch):
    for name, text in {"sbatch": SBATCH, "srun": "#!/bin/sh\n"}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    configs = members(SMALL)
    jobs = slurm.submit(configs, tmp_path / "runs/small", "slurm", workers=1)
    assert {name: job.job_id for name, job in jobs.items()} == {"s0": "7_0", "s1": "7_1"}
    lines = jobs["s0"].paths.submission_file.read_text().splitlines()
    options = {line.removeprefix("#SBATCH --") for line in lines if line.startswith("#SBATCH")}
    kept = tmp_path / "runs/small/.jobs"
    assert {
        "array=0-1%1",
        "cpus-per-task=1",
        "job-name=small",
        "mem=2GB",
        "open-mode=append",
        "requeue",
        "signal=USR2@90",
        "time=60",
        f"output={kept}/%A_%a_0_log.out",
    } <= options
    assert not any(option.startswith(("gpus", "gres")) for option in options)
    command = shlex.split(next(line for line in lines if line.startswith("srun")))
    assert command[-5:] == [sys.executable, "-u", "-m", "submitit.core._submit", str(kept)]
    for number, name in enumerate(configs):
        submission = jobs[name].submission()
        assert submission.args[0][1] == str(tmp_path / "runs/small" / name)
        assert (kept / f"7_{number}_submitted.pkl").is_file()


@needs_submitit
def test_without_slurm_one_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("srun") is None
    with pytest.raises(ConfigError, match=r"^executor: expected a machine of a Slurm cluster"):
        slurm.submit(members(SMALL), tmp_path / "small", "slurm")


@pytest.mark.parametrize(("name", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_without_its_extra_an_executor_says_what_to_install(tmp_path, monkeypatch, name, package):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setitem(sys.modules, package, None)  # what an import of it finds
    with pytest.raises(ConfigError, match=rf"pip install 'grokscope\[{name}\]'$"):
        executor_named(name)(
            members(SMALL),
            tmp_path,
            workers=1,
            told=lambda news: None,
            stop_requested=lambda: False,
            allow_drift=False,
        )


def test_an_executor_loads_its_package_only_when_it_is_used():
    program = (
        "import sys\n"
        "import grokscope.sweeps.executors.ray, grokscope.sweeps.executors.slurm\n"
        "print(*[name for name in ('ray', 'submitit') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
