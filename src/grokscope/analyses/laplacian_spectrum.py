"""Whole spectra on the torus of all pairs, checkpoint by checkpoint (Q8)."""

from typing import Annotated, Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.errors import ScienceError
from grokscope.metrics.torus import FRACTION, function_on_torus
from grokscope.ops import fourier, laplacian
from grokscope.store.results import Arrays, analysis
from grokscope.store.run import Run
from grokscope.tasks.grid import sums
from grokscope.typing import Ge, Gt, Le

BANDS = 20
"""Bands of eigenvalue, of equal width between 0 and 2."""


@analysis(label="Torus spectrum", source="measures: torus Laplacian")
def laplacian_spectrum(
    run: Run,
    *,
    of: Literal["logits", "representation"] = "logits",
    fraction: Annotated[float, Gt(0), Le(1)] | None = None,
    count: Annotated[int, Ge(1)] | None = None,
    cutoff: Annotated[float, Ge(0), Le(2)] | None = None,
    zero_mode: bool = False,
) -> tuple[dict[str, Any], Arrays]:
    """Return the energy of the logits, or of what they are read from, in every torus mode.

    The low modes are a `fraction` (.1 if nothing is said) or `count` of all, or those with an
    eigenvalue up to `cutoff`. zero_mode: whether the constant part counts.

    Arrays over checkpoints (`steps`): `energies` [steps, p, p], in units of the function squared;
    `low_share`; `best_low_share`, the largest after any relabeling a → ka, and its `best_k`;
    `entropy`, normalized; `roughness`, the mean eigenvalue; `bands` and `best_bands` [steps, 20],
    shares of the energy in equal bands of eigenvalue between 0 and 2, as labeled and after the best
    relabeling of the last checkpoint; `dimension_shares` [steps, d], the low share of each logit or
    dimension. Raises ScienceError for a task that is not ±a ± b over all ordered pairs of residues.
    """
    sums(run.config.task, "laplacian_spectrum")
    if not run.steps:
        raise ScienceError(f"{run.path}: laplacian_spectrum: no checkpoint was saved yet")
    if fraction is count is cutoff is None:
        fraction = FRACTION
    rows: list[dict[str, Any]] = []
    for step in run.steps:
        grid = function_on_torus(run.snapshot(step), "laplacian_spectrum", of=of)
        low = laplacian.band(
            len(grid), fraction=fraction, count=count, cutoff=cutoff, zero_mode=zero_mode
        )
        rows.append(_spectrum(grid, low, zero_mode=zero_mode))
    arrays: Arrays = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    last = int(arrays["best_k"][-1])
    relabeled = [
        laplacian.relabeled(torch.from_numpy(energies), last) for energies in arrays["energies"]
    ]
    arrays["best_bands"] = np.array([_bands(x, zero_mode=zero_mode) for x in relabeled])
    arrays["steps"] = np.array(run.steps)
    scalars: dict[str, Any] = {
        "of": of,
        "fraction": fraction,
        "count": count,
        "cutoff": cutoff,
        "zero_mode": zero_mode,
        "low_modes": int(low.sum()),
        "best_k": last,
    }
    for name in ("low_share", "best_low_share", "entropy", "roughness"):
        scalars |= {
            f"first_{name}": float(arrays[name][0]),
            f"last_{name}": float(arrays[name][-1]),
        }
    return scalars, arrays


def _spectrum(grid: Float[Tensor, "p p d"], low: Tensor, *, zero_mode: bool) -> dict[str, Any]:
    """Return what is kept of one checkpoint."""
    of_modes = fourier.energies(grid)
    best, k = laplacian.best_low_share(of_modes, low, zero_mode=zero_mode)
    kept = of_modes.clone()
    if not zero_mode:
        kept[0, 0] = 0
    roughness = (laplacian.eigenvalues(len(grid)) * kept).sum() / kept.sum()
    return {
        "energies": of_modes.numpy(),
        "low_share": float(laplacian.low_share(of_modes, low, zero_mode=zero_mode)),
        "best_low_share": float(best),
        "best_k": k,
        "entropy": float(laplacian.spectral_entropy(of_modes, zero_mode=zero_mode)),
        "roughness": float(roughness),
        "bands": _bands(of_modes, zero_mode=zero_mode),
        "dimension_shares": _by_dimension(grid, low, zero_mode=zero_mode),
    }


def _bands(of_modes: Float[Tensor, "p p"], *, zero_mode: bool) -> Any:
    """Return the shares of the energy in equal bands of eigenvalue."""
    number = (laplacian.eigenvalues(len(of_modes)) * BANDS / 2 + 1e-9).long().clamp(max=BANDS - 1)
    kept = of_modes.clone()
    if not zero_mode:
        kept[0, 0] = 0
    sums_of = kept.new_zeros(BANDS).index_add(0, number.flatten(), kept.flatten())
    return (sums_of / kept.sum()).numpy()


def _by_dimension(grid: Float[Tensor, "p p d"], low: Tensor, *, zero_mode: bool) -> Any:
    """Return the low share of each dimension; NaN for one that never changes."""
    transformed = torch.fft.fft2(grid, dim=(0, 1), norm="ortho").abs().square()
    if not zero_mode:
        transformed[0, 0] = 0
    return (transformed[low].sum(0) / transformed.sum((0, 1))).numpy()
