"""When a run memorized and grokked, from nothing but a file of its curves (A1)."""

from pathlib import Path
from typing import Annotated, Any

import polars as pl

from grokscope.analyses.grokking_time import crossed, delay
from grokscope.errors import ScienceError
from grokscope.ops import crossings
from grokscope.store.elsewhere import read_columns
from grokscope.typing import Ge, Gt, Le

GROKKED = "sustained_0.99"


def evaluate_file(
    path: str | Path,
    *,
    step: str = "step",
    train_acc: str = "train_acc",
    test_acc: str = "test_acc",
    k: Annotated[int, Ge(1)] = 3,
    memorized: Annotated[float, Gt(0), Le(1)] = 0.99,
) -> dict[str, Any]:
    """Return outcome, milestones and crossings as `grokking_time` does, without seconds and FLOPs.

    step, train_acc, test_acc: what the file calls these columns; rows may lack one of the
    accuracies, which are shares of 1. `grokked_at` is the sustained crossing of .99. Raises
    ConfigError for a file that cannot be read, ScienceError where its numbers are no such curves.
    """
    path = Path(path)
    names = {"step": step, "train_acc": train_acc, "test_acc": test_acc}
    rows = read_columns(path, names).filter(pl.col("step").is_not_null())
    curves = {name: _curve(path, rows, name, names) for name in ("train_acc", "test_acc")}
    memorized_at = crossings.first(*curves["train_acc"], memorized)
    found = crossed(*curves["test_acc"], k=k)
    outcome = "unfinished" if memorized_at is None else "memorized"
    return {
        "outcome": outcome if found[GROKKED] is None else "grokked",
        "last_step": max(steps[-1] for steps, _ in curves.values()),
        "memorized_at": memorized_at,
        "grokked_at": found[GROKKED],
        **{f"{name}_step": at for name, at in found.items()},
        **{f"{name}_delay": delay(memorized_at, at) for name, at in found.items()},
    }


def _curve(
    path: Path, rows: pl.DataFrame, name: str, names: dict[str, str]
) -> tuple[list[int], list[float]]:
    """Return steps and values of an accuracy where it was measured."""
    known = rows.select("step", name).filter(pl.col(name).is_not_nan())
    if not len(known):
        raise ScienceError(f"{path}: {names[name]}: nothing was measured")
    steps, values = known["step"], known[name]
    if not (steps.is_finite() & (steps == steps.round())).all() or (steps.diff() <= 0).any():
        raise ScienceError(f"{path}: {names['step']}: expected whole numbers that rise")
    low, high = float(values.min()), float(values.max())  # type: ignore[arg-type]
    if low < 0 or high > 1:
        told = f"expected shares from 0 to 1, got {low:g} to {high:g}"
        raise ScienceError(f"{path}: {names[name]}: {told}")
    return steps.cast(pl.Int64).to_list(), values.to_list()
