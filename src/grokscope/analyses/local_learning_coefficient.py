"""How degenerate the loss is around a trained network (part of Q11)."""

import dataclasses
import math
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from grokscope.objectives import Objective
from grokscope.ops.sampling import langevin_losses
from grokscope.store.results import Arrays, analysis
from grokscope.store.run import Run
from grokscope.typing import Ge, Gt


@analysis(label="Local learning coefficient", source="Lau et al. 2023, arXiv:2308.12108")
def local_learning_coefficient(
    run: Run,
    *,
    step: Annotated[int, Ge(0)] | None = None,
    chains: Annotated[int, Gt(0)] = 4,
    draws: Annotated[int, Gt(0)] = 400,
    burn_in: Annotated[int, Ge(0)] = 200,
    step_size: Annotated[float, Gt(0)] = 1e-4,
    localizer: Annotated[float, Ge(0)] = 100.0,
) -> tuple[dict[str, Any], Arrays]:
    """Return λ̂ = nβ(E[L_n(w)] - L_n(w*)) with β = 1/ln n, w* a saved step, the last by default.

    L_n is the task loss over all n training examples, and the mean is over Langevin chains that
    begin at w* and are held there by γ‖w - w*‖²/2, γ the localizer. Steps of size ε see the whole
    training set; a chain makes burn_in steps before its draws count. Of a quadratic loss with
    curvature h the localizer turns each ½ into ½·nβh/(nβh + γ), so directions flatter than
    γ/(nβ) count for little: compare only values with one γ. Forgetting takes 2/(εγ) steps.
    Scalars: `llc`, its standard error over chains, `llc_start` of the first half of the draws
    beside `llc_end` of the second (apart, the chains had not settled). Array: `losses`
    [chains, burn_in + draws]. A w* that is no minimum gives values below the truth, even negative.
    """
    snapshot = run.snapshot(step)
    problem, center = snapshot.problem, snapshot.params.clone()
    bare = Objective(problem.objective.loss, dtype=problem.objective.dtype)
    problem = dataclasses.replace(problem, objective=bare)

    def value_and_gradient(point: Tensor) -> tuple[Tensor, Tensor]:
        snapshot.params.copy_(point)
        terms, gradient = problem.gradient(problem.train)
        return terms.task.detach(), gradient

    n = len(problem.train)
    scale = n / math.log(n)
    chain = [
        langevin_losses(
            value_and_gradient,
            center,
            scale=scale,
            localizer=localizer,
            step_size=step_size,
            draws=burn_in + draws,
            chain=number,
        )
        for number in range(chains)
    ]
    losses = torch.stack(chain).numpy()
    start = float(value_and_gradient(center)[0])
    kept = scale * (losses[:, burn_in:] - start)
    each, half = kept.mean(1), max(1, draws // 2)
    error = float(each.std(ddof=1) / math.sqrt(chains)) if chains > 1 else math.nan
    scalars = {
        "step": snapshot.step,
        "llc": float(each.mean()),
        "standard_error": error,
        "llc_start": float(kept[:, :half].mean()),
        "llc_end": float(kept[:, -half:].mean()),
        "loss": start,
        "parameters": len(center),
        "examples": n,
    }
    return scalars, {"losses": np.asarray(losses)}
