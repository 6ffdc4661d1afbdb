"""Clusters of Hessian eigenvalues by single linkage, through training (A5)."""

from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt

from grokscope.errors import ScienceError
from grokscope.ops.linkage import clusters, gaps, linkage
from grokscope.store.results import Arrays, analysis
from grokscope.store.run import Run
from grokscope.typing import Gt

SCALES = 96
"""Values of ε at which clusters are counted."""


@analysis(
    label="Spectral dendrogram", source="Sibson 1973, single linkage", reads="hessian_spectrum"
)
def spectral_dendrogram(
    run: Run,
    *,
    leaves: Annotated[int, Gt(1)] = 40,
    scale: Literal["linear", "asinh"] = "linear",
) -> tuple[dict[str, Any], Arrays]:
    """Return how the eigenvalues of the newest `hessian_spectrum` cluster at each of its steps.

    On a line single linkage is decided by the gaps between neighbors: n(ε) = 1 + the number of
    gaps above ε. leaves: the eigenvalues of largest |λ| that are linked, the same number at every
    step. scale: `asinh` links asinh(λ/λ₀) with λ₀ the median |λ| of the leaves at the last step
    instead, so that gaps are those of orders of magnitude. Without a stored spectrum
    one is computed with its default options.
    Arrays over `steps`: `leaves` [steps, leaves], ascending; `gaps` [steps, leaves - 1], largest
    first; `linkage` [steps, leaves - 1, 4] as of SciPy; `clusters` [steps, scales] at `epsilons`,
    the same for all steps. Raises ScienceError for a network of a single parameter.
    """
    spectrum = run.results()["hessian_spectrum"]
    values = _known(spectrum.arrays)
    count = min(leaves, values.shape[1])
    if count < 2:
        raise ScienceError(f"{run.path}: spectral_dendrogram: one eigenvalue has no gaps")
    kept = np.stack([largest(row, count) for row in values])
    linked = kept if scale == "linear" else np.arcsinh(kept / _unit(kept[-1]))
    apart = np.stack([gaps(row) for row in linked])
    epsilons = _epsilons(apart)
    counted = np.stack([clusters(row, epsilons) for row in linked])
    arrays: Arrays = {
        "steps": spectrum.arrays["steps"],
        "leaves": kept,
        "gaps": apart,
        "linkage": np.stack([linkage(row) for row in linked]),
        "clusters": counted,
        "epsilons": epsilons,
    }
    scalars: dict[str, Any] = {"leaves": count, "scale": scale}
    for when, row in (("first", 0), ("last", -1)):
        scalars[f"{when}_largest_gap"] = float(apart[row, 0])
        share = apart[row, 0] / max(apart[row].sum(), np.finfo(float).tiny)
        scalars[f"{when}_largest_gap_share"] = float(share)
    return scalars, arrays


def largest(values: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float64]:
    """Return the values of largest size, ascending."""
    order = np.argsort(-np.abs(values), kind="stable")[:count]
    found: npt.NDArray[np.float64] = np.sort(values[order])
    return found


def _known(arrays: Arrays) -> npt.NDArray[np.float64]:
    """Return all eigenvalues, or those at the ends where only they are known."""
    if "eigenvalues" in arrays:
        return arrays["eigenvalues"]
    return np.concatenate([arrays["bottom"], arrays["top"]], axis=1)


def _unit(values: npt.NDArray[np.float64]) -> float:
    middle = float(np.median(np.abs(values)))
    return middle or 1.0


def _epsilons(apart: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the scales: from the smallest gap that matters to the largest, logarithmic."""
    high = float(apart.max()) or 1.0
    positive = apart[apart > 1e-12 * high]
    low = float(positive.min()) if len(positive) else 1e-3 * high
    return np.geomspace(min(low, high / 10), high, SCALES)
