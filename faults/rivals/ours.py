"""grokscope on the same problem, through its own command."""

import sys
from pathlib import Path
from typing import Any

import problem

import grokscope
from grokscope.cli import main
from grokscope.store import checkpoint, history


def train(folder: str, batch: int) -> None:
    """Train, or go on; ends the process with the exit code of the command."""
    run = Path(folder) / "run"
    if (run / "config.yaml").exists():
        sys.argv = ["grokscope", "resume", str(run), "--no-report"]
    else:
        settings = [
            f"task.p={problem.P}",
            "data.train_fraction=0.5",
            f"model={{kind: mlp, width: {problem.WIDTH}}}",
            f"optimizer={{kind: adamw, lr: {problem.RATE}, weight_decay: {problem.DECAY}}}",
            f"batch.size={batch}",
            f"steps={problem.STEPS}",
            "stop=never",
            f"checkpoint={{every: {problem.SAVE_EVERY}, early: [0]}}",
            f"measure={{every: {problem.LOG_EVERY}, dense_every: {problem.LOG_EVERY}}}",
            "threads=1",
        ]
        place = ["--out", folder, "--name", "run", "--no-report"]
        sys.argv = ["grokscope", "train", "quick", *settings, *place]
    main()


def newest(folder: Path) -> list[Path]:
    """Return the files of the newest checkpoint."""
    run = folder / "run"
    return sorted(checkpoint.directory(run, checkpoint.steps(run)[-1]).iterdir())


def records(folder: Path) -> list[Path]:
    """Return the files of the history."""
    run = folder / "run"
    return sorted([*run.glob("history/rows_*"), *run.glob("history.*")])


def end(folder: Path) -> dict[str, Any]:
    """Return what a reader finds in the end. Raises where the run says it is not sound."""
    run = grokscope.open(folder / "run")
    wrong = run.verify()
    if wrong:
        raise ValueError(wrong[0])
    saved = checkpoint.read(run.path, run.steps[-1])
    rows = history.read(run.path, "history").to_dicts()
    return {
        "weights": saved.params,
        "optimizer": saved.optimizer,
        "history": rows,
        "at": saved.step,
    }
