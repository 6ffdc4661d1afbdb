"""After which layer the answer is there, and which gates an example passes (A8)."""

from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from grokscope.errors import ScienceError
from grokscope.models import Gate, capture, hear, replace
from grokscope.models.residual import Residual
from grokscope.store.results import Arrays, analysis
from grokscope.store.run import Run
from grokscope.typing import Ge


@analysis(label="Early exit", source="nostalgebraist 2020, the logit lens")
def early_exit(
    run: Run, *, step: Annotated[int, Ge(0)] | None = None
) -> tuple[dict[str, Any], Arrays]:
    """Return how good the network is when cut after each layer, and what each example uses of it.

    The stream after a layer is read by the unembedding as if it were the last. step: a saved step,
    the last one by default. Arrays over cuts 0 (before the first layer) to L: `train_acc`,
    `test_acc`. Arrays over examples, in the order of the dataset: `exit`, the earliest cut from
    which on the answer stays that of the whole network, `layers_used`, the same over L; with
    gates also `gates` [layers, n], `depth_used` [n], Σ g / L, and `patterns` [k, layers] with
    `pattern_counts` [k], which gates are above ½ and for how many examples. The scalars
    `rounded_train_acc` and `rounded_test_acc` are those of the network with every gate rounded to
    0 or 1: a layer behind a nearly shut gate may make up for it with larger weights, and then the
    gate says too little of the depth in use. Raises ScienceError for a network without a stream.
    """
    snapshot = run.snapshot(step)
    problem = snapshot.problem
    network = problem.network
    if not isinstance(network, Residual):
        raise ScienceError(
            f"{run.path}: an early exit needs a stream of vectors: model.kind=gated or routed"
        )
    streams = [name for name in network.probes if name.endswith(".stream")]
    with torch.no_grad(), capture(network, "embeddings", *streams) as seen, hear() as signals:
        network(network.prepare(problem.dataset.inputs))
        cuts = [network.enter(seen["embeddings"]), *(seen[name] for name in streams)]
        answers = torch.stack([network.read(x).argmax(-1) for x in cuts])
    sides = {"train": problem.split.train, "test": problem.split.test}
    right = (answers == problem.split.targets).double()
    exits = _exits(answers)
    arrays: Arrays = {"exit": exits, "layers_used": exits / len(streams)}
    scalars: dict[str, Any] = {"step": snapshot.step, "layers": len(streams)}
    for side, rows in sides.items():
        arrays[f"{side}_acc"] = right[:, rows].mean(1).numpy()
        scalars[f"{side}_layers_used"] = float(arrays["layers_used"][rows.numpy()].mean())
    gates = [signal.value for signal in signals if isinstance(signal.probe, Gate)]
    if gates:
        arrays |= _patterns(torch.stack(gates))
        scalars["effective_depth"] = float(arrays["gates"].sum(0).mean())
        scalars["patterns"] = len(arrays["patterns"])
        names = [name for name in network.probes if name.endswith(".gate")]
        with torch.no_grad(), replace(network, dict.fromkeys(names, _rounded)):
            rounded = network(network.prepare(problem.dataset.inputs)).argmax(-1)
        hits = (rounded == problem.split.targets).double()
        scalars |= {f"rounded_{side}_acc": float(hits[rows].mean()) for side, rows in sides.items()}
    return scalars, arrays


def _rounded(gate: Tensor) -> Tensor:
    return (gate > 0.5).to(gate.dtype)


def _exits(answers: Tensor) -> npt.NDArray[np.int64]:
    """Return the earliest cut [n] from which on answers [cuts, n] equal the last."""
    same = (answers == answers[-1]).flip(0).long().cumprod(0).sum(0)
    found: npt.NDArray[np.int64] = (len(answers) - same).numpy()
    return found


def _patterns(gates: Tensor) -> Arrays:
    """Return gates [layers, n], what examples use of them, and which are above ½ together."""
    rows, counts = np.unique((gates > 0.5).t().numpy(), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {
        "gates": gates.numpy(),
        "depth_used": gates.mean(0).numpy(),
        "patterns": rows[order],
        "pattern_counts": counts[order],
    }
