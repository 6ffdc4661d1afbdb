"""The Hessian pipeline: train, take the spectrum at every checkpoint, draw, report (E5)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grokscope import launch
from grokscope.config import RunConfig, load
from grokscope.store import Run
from grokscope.store.results import Result

RECIPE = "attention-only-113"
STEPS = (0, 50, 100, 150, 200, 250, 300, 350, 400, 450, 500, 600, 700, 800, 900, 1000)
LATER = (1200, 1500, 2000, 2500, 3000, 4000, 5000, 7000, 10_000, 15_000, 20_000, 25_000, 30_000)
"""Thirty checkpoints with the last one, dense where it memorizes and generalizes."""
FULL = {
    # As many steps as the published pipeline, far beyond grokking.
    "steps": 40_000,
    "stop": "never",
    "checkpoint.every": 40_000,
    "checkpoint.transition_every": 40_000,
    "measure.every": 100,
}
QUICK = {
    "task.p": 5,
    "model.d_model": 4,
    "model.num_heads": 2,
    "steps": 40,
    "stop": "never",
    "checkpoint.every": 20,
    "checkpoint.early": [0, 10],
}
"""Seconds from end to end: 120 parameters."""
SPECTRUM = {"samples": 200, "ends": 25}
"""Training pairs, and eigenpairs kept at each end: 50 vectors."""


def configuration(overrides: Sequence[str] = (), *, quick: bool = False) -> RunConfig:
    """Return the configuration that the pipeline trains; overrides are `path=value`.

    >>> configuration(quick=True).steps
    40
    """
    changes: dict[str, Any] = QUICK if quick else FULL | {"checkpoint.early": [*STEPS, *LATER]}
    given = [f"{path}={value}" for path, value in changes.items()]
    return load(RECIPE, [*given, *overrides])


def trained(
    config: RunConfig,
    *,
    out: str | Path,
    name: str | None = None,
    observer: launch.Observer = lambda record: None,
    stop_requested: launch.Stop = lambda: False,
) -> Run:
    """Return the trained run: a new one, or the one of this name, gone on with if it was cut short.

    Raises ConfigError where a run of this name was trained otherwise.
    """
    path = Path(out) / (name or "hessian")
    run = launch.run_at(path, config)
    if run is None:
        return launch.train(
            config, out=out, name=path.name, observer=observer, stop_requested=stop_requested
        )
    more = [f"steps={config.steps}"] if config.steps > run.config.steps else []
    return launch.resume(run, more, observer=observer, stop_requested=stop_requested)


def spectra(run: Run) -> tuple[Result, Result]:
    """Return the Hessian spectra at every checkpoint and their dendrograms.

    Each checkpoint is stored as it is done, so an interrupted call goes on where it was.
    """
    return run.analyze("hessian_spectrum", **SPECTRUM), run.analyze("spectral_dendrogram")
