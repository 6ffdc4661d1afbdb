"""How the embedding of the first operand turns into waves, checkpoint by checkpoint."""

from typing import Annotated, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.errors import ScienceError
from grokscope.ops import fourier
from grokscope.snapshot import Snapshot
from grokscope.store.results import Arrays, analysis
from grokscope.store.run import Run
from grokscope.tasks.grid import modulus
from grokscope.typing import Gt, Lt


@analysis(label="Embedding waves", source="Musat 2025; measures: Fourier")
def embedding_waves(
    run: Run, *, key_share: Annotated[float, Gt(0), Lt(1)] = 0.1
) -> tuple[dict[str, Any], Arrays]:
    """Return the Fourier waves of the embedding E [p, d] of the first operand at each checkpoint.

    F_k = (1/p) Σ_j exp(-2πi jk/p) E_j. Arrays, by checkpoint and frequency k = 1 … (p-1)/2:
    `share` of the energy without the constant; `ratio` ‖Re F_k‖/‖Im F_k‖ and `cosine` of Re and Im,
    which are 1 and 0 where the symbols lie on a circle. A Gaussian start is near that already, so
    both are given against the first checkpoint, for the key frequencies: those with at least
    `key_share` of the energy in the last. Scalars: how many; the mean of |ln ratio| and of |cosine|
    over them, first and last; the Gini coefficient of the energies, first and last.
    Raises ScienceError for a task whose operands are not residues, or without checkpoints.
    """
    p = modulus(run.config.task, "embedding_waves")
    if not run.steps:
        raise ScienceError(f"{run.path}: embedding_waves: no checkpoint was saved yet")
    kept = slice(1, (p - 1) // 2 + 1)
    rows: dict[str, list[Any]] = {"share": [], "ratio": [], "cosine": []}
    for step in run.steps:
        table = first_embedding(run.snapshot(step))
        energies = fourier.spectrum(table)[kept]
        ratios, cosines = fourier.quadrature(fourier.waves(table)[kept])
        for name, values in zip(rows, (energies / energies.sum(), ratios, cosines), strict=True):
            rows[name].append(values.numpy())
    arrays = {name: np.array(values) for name, values in rows.items()}
    keys = np.flatnonzero(arrays["share"][-1] >= key_share)
    scalars: dict[str, Any] = {"key_frequencies": len(keys)}
    for when, row in (("first", 0), ("last", -1)):
        turn = np.abs(np.log(arrays["ratio"][row, keys]))
        lean = np.abs(arrays["cosine"][row, keys])
        scalars[f"{when}_log_ratio"] = float(turn.mean()) if len(keys) else None
        scalars[f"{when}_cosine"] = float(lean.mean()) if len(keys) else None
        scalars[f"{when}_gini"] = float(fourier.gini(torch.from_numpy(arrays["share"][row])))
    arrays["steps"] = np.array(run.steps)
    arrays["frequencies"] = np.arange(p // 2 + 1)[kept]
    arrays["keys"] = arrays["frequencies"][keys]
    return scalars, arrays


def first_embedding(snapshot: Snapshot) -> Float[Tensor, "p d"]:
    """Return one row for each value of the first operand: its embedding, or its first-layer column.

    Raises ScienceError for a network with neither `embed.weight` nor `first.weight`.
    """
    factor = snapshot.problem.dataset.signature.factors[0]
    tensors = snapshot.tensors
    if "embed.weight" in tensors:
        return tensors["embed.weight"][factor.start : factor.start + factor.size].detach()
    if "first.weight" in tensors:
        return tensors["first.weight"].t()[: factor.size].detach()
    raise ScienceError(
        "embedding_waves: this network has neither embed.weight nor first.weight to read"
    )
