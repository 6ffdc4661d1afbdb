"""Members as processes or batches on this machine, as its plan says."""

from collections.abc import Mapping
from pathlib import Path

from grokscope.config import RunConfig
from grokscope.engine import plan
from grokscope.launch import Stop
from grokscope.workers import Told, train_all


def execute(
    configs: Mapping[str, RunConfig],
    folder: Path,
    *,
    workers: int | None,
    told: Told,
    stop_requested: Stop,
    allow_drift: bool,
) -> None:
    """Train the runs of `configs`, each in the directory of its name below `folder`."""
    chosen = list(configs.values())
    train_all(
        chosen,
        out=folder,
        names=list(configs),
        planned=plan(chosen, workers=workers),
        told=told,
        stop_requested=stop_requested,
        allow_drift=allow_drift,
    )
