"""Which head each example takes (Q6)."""

from typing import Annotated, Any

import numpy as np
import torch

from grokscope.errors import ScienceError
from grokscope.models import Routing
from grokscope.ops.gating import gini, routing_entropy
from grokscope.problem import Examples
from grokscope.store.results import Arrays, analysis
from grokscope.store.run import Run
from grokscope.typing import Ge


@analysis(label="Routing map", source="measures: routing")
def routing_map(
    run: Run, *, step: Annotated[int, Ge(0)] | None = None
) -> tuple[dict[str, Any], Arrays]:
    """Return the routing weights of every example, train and test, in the order of the dataset.

    step: a saved step, the last one by default. Arrays: `weights` [layers, n, heads], `dominant`
    [layers, n], the head that weighs most, `utilization` [layers, heads], the mean weights,
    `operands` [n, factors] and `trained` [n]. Raises ScienceError for a network that does not
    route.
    """
    snapshot = run.snapshot(step)
    problem = snapshot.problem
    inputs, targets = problem.dataset.inputs, problem.dataset.targets
    signals = problem.signals(Examples.of(problem.network, inputs, targets))
    found = [signal.value for signal in signals if isinstance(signal.probe, Routing)]
    if not found:
        raise ScienceError(f"{run.path}: this network does not route: it needs model.kind=routed")
    weights = torch.stack(found).double()
    utilization = weights.mean(1)
    trained = np.zeros(len(targets), dtype=bool)
    trained[problem.split.train.numpy()] = True
    scalars: dict[str, Any] = {
        "step": snapshot.step,
        "routing_entropy": float(routing_entropy(weights).mean()),
        "routing_entropy_max": float(np.log(weights.shape[-1])),
        "utilization_gini": float(gini(utilization).mean()),
    }
    dominant = weights.argmax(-1)
    for layer, heads in enumerate(dominant):
        shares = torch.bincount(heads, minlength=weights.shape[-1]) / len(targets)
        scalars[f"dominant_share.{layer}"] = float(shares.max())
    return scalars, {
        "weights": weights.float().numpy(),
        "dominant": dominant.numpy(),
        "utilization": utilization.numpy(),
        "operands": problem.dataset.operands().numpy(),
        "trained": trained,
    }
