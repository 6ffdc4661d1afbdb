"""When a run memorized and when it grokked (A1)."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import torch

from grokscope.config import RunConfig, problem_of
from grokscope.errors import ScienceError
from grokscope.models import capture
from grokscope.ops import crossings
from grokscope.ops.products import FlopCounter
from grokscope.store.results import Arrays, analysis
from grokscope.store.run import Run
from grokscope.typing import Ge, Gt, Le

LEVELS = (0.90, 0.95, 0.99)


@analysis(label="Grokking time", source="measures: grokking time")
def grokking_time(
    run: Run,
    *,
    k: Annotated[int, Ge(1)] = 3,
    memorized: Annotated[float, Gt(0), Le(1)] = 0.99,
) -> tuple[dict[str, Any], Arrays]:
    """Return first, sustained and strict crossings of test accuracy at .90, .95 and .99.

    memorized: train accuracy that counts as memorized; k: evaluations in a row that make a
    crossing sustained. Each crossing is given in steps, seconds of training and FLOPs; the delay
    is from memorized to the crossing. A crossing that was not seen is None, and the run is then
    right-censored at `last_step`. Raises ScienceError for a run without measurements.
    """
    history = run.history
    if "test_acc" not in history.columns or not len(history):
        raise ScienceError(f"{run.path}: nothing was measured yet")
    steps = history["step"].to_list()
    test = history["test_acc"].to_list()
    memorized_at = crossings.first(steps, history["train_acc"].to_list(), memorized)
    seconds = dict(zip(steps, history["seconds"].to_list(), strict=True))
    flops = flops_per_step(run.config)
    scalars: dict[str, Any] = {
        "outcome": run.outcome,
        "last_step": steps[-1],
        "memorized_at": memorized_at,
        "flops_per_step": flops,
        "lookup_baseline": history["lookup_baseline"][-1],
    }
    found = crossed(steps, test, k=k)
    for name, at in found.items():
        scalars[f"{name}_step"] = at
        scalars[f"{name}_seconds"] = None if at is None else seconds[at]
        scalars[f"{name}_flops"] = None if at is None else at * flops
        scalars[f"{name}_delay"] = delay(memorized_at, at)
    table = np.array([float("nan") if at is None else float(at) for at in found.values()])
    return scalars, {"levels": np.array(LEVELS), "crossings": table.reshape(len(LEVELS), -1)}


def crossed(steps: Sequence[int], test: Sequence[float], *, k: int) -> dict[str, int | None]:
    """Return the step of each crossing, from `first_0.90`, `sustained_0.90` to `strict_0.99`."""
    found: dict[str, int | None] = {}
    for level in LEVELS:
        found[f"first_{level:.2f}"] = crossings.first(steps, test, level)
        found[f"sustained_{level:.2f}"] = crossings.sustained(steps, test, level, k=k)
        found[f"strict_{level:.2f}"] = crossings.strict(steps, test, level)
    return found


def delay(memorized_at: int | None, at: int | None) -> int | None:
    """Return the steps from memorized to a crossing, where both were seen."""
    return None if memorized_at is None or at is None else at - memorized_at


def flops_per_step(config: RunConfig) -> int:
    """Return the FLOPs of the matrix products of one forward and backward pass of a step.

    Counted on the plain network, which computes every example by itself from dense inputs (a
    watched probe sees to that), so the number does not depend on what an implementation shares;
    elementwise work is not counted. For other dynamics than training: the products of the step as
    it is computed, without factorizations.
    """
    problem, _ = problem_of(config, device="cpu")
    n, counter = len(problem.train), FlopCounter()
    if config.dynamics != "training":
        with counter:
            problem.gradient(problem.train)
        return counter.total
    some = problem.network.prepare(problem.train.inputs[:64], share=False)
    with counter, capture(problem.network, "embeddings"):
        logits = problem.network(some)
        loss = problem.objective.task_loss(logits, problem.train.targets[:64])
        torch.autograd.backward(loss)
    batch = min(config.batch.size or n, n)
    return int(counter.total * batch / min(n, 64))
