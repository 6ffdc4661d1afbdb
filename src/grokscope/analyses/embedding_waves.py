"""How the embedding of the first operand turns into waves, checkpoint by checkpoint."""

from typing import Any

import numpy as np
import torch

from grokscope.errors import ScienceError
from grokscope.metrics.embedding import first_embedding
from grokscope.ops import fourier
from grokscope.store.results import Arrays, analysis
from grokscope.store.run import Run
from grokscope.tasks.grid import modulus


@analysis(label="Embedding waves", source="Musat 2025; measures: Fourier")
def embedding_waves(run: Run) -> tuple[dict[str, Any], Arrays]:
    """Return the Fourier waves of the embedding E [p, d] of the first operand at each checkpoint.

    F_k = (1/p) Σ_j exp(-2πi jk/p) E_j. Arrays, by checkpoint and frequency k = 1 … (p-1)/2:
    `share` of the energy without the constant; `ratio` ‖Re F_k‖/‖Im F_k‖ and `cosine` of Re and Im,
    which are 1 and 0 where the symbols lie on a circle. Scalars, at the first and the last
    checkpoint, since a Gaussian start is near a circle already: the means of |ln ratio| and
    |cosine|, each frequency weighted by its share in the last; the effective number of
    frequencies 1/Σ share²; the Gini coefficient of the shares.
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
    weights = arrays["share"][-1]
    scalars: dict[str, Any] = {}
    for when, row in (("first", 0), ("last", -1)):
        scalars[f"{when}_log_ratio"] = float(weights @ np.abs(np.log(arrays["ratio"][row])))
        scalars[f"{when}_cosine"] = float(weights @ np.abs(arrays["cosine"][row]))
        scalars[f"{when}_frequencies"] = float(1 / np.square(arrays["share"][row]).sum())
        scalars[f"{when}_gini"] = float(fourier.gini(torch.from_numpy(arrays["share"][row])))
    arrays["steps"] = np.array(run.steps)
    arrays["frequencies"] = np.arange(p // 2 + 1)[kept]
    return scalars, arrays
