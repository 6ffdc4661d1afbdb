"""The Hessian of the loss at one checkpoint: its whole spectrum, or ends and density (A3, A4)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from grokscope._progress import tell, within
from grokscope.errors import ScienceError
from grokscope.landscape import Landscape, Of
from grokscope.ops.banded import eigenvalues
from grokscope.ops.curvature import assemble, hessian_product, retained_product, signs
from grokscope.ops.lanczos import extreme, quadrature
from grokscope.ops.memory import check_memory
from grokscope.ops.spectrum import shares, summarize, summarize_quadrature
from grokscope.snapshot import Snapshot
from grokscope.store.results import Arrays, analysis
from grokscope.store.run import Run
from grokscope.typing import Ge, Gt, Lt

CHUNK = 64
"""Rows of the Hessian computed at once, at most."""
ROOM = 1 << 23
"""Numbers in one activation of a chunk, at most: some forty of them are held at a time."""
TRUSTED = 1e-3
"""‖Hv - λv‖ over |λ| up to which an eigenpair counts as converged."""


@analysis(label="Hessian at one checkpoint", source="Ghorbani et al. 2019", lasting=True)
def hessian_checkpoint(
    run: Run,
    *,
    step: Annotated[int, Ge(0)],
    method: Literal["exact", "lanczos"] = "exact",
    samples: Annotated[int, Gt(0)] | None = 200,
    of: Of = "task",
    ends: Annotated[int, Gt(0)] = 10,
    probes: Annotated[int, Ge(0)] = 10,
    depth: Annotated[int, Gt(1)] = 80,
    tolerance: Annotated[float, Gt(0), Lt(1)] = 1e-8,
    products: Annotated[int, Gt(0)] = 600,
) -> tuple[dict[str, Any], Arrays]:
    """Return the spectrum of the Hessian at a saved step, in float64.

    samples: training examples, always the same ones; null takes all. of: the `task` loss, or the
    whole `objective`. ends: eigenpairs kept at each end, by Lanczos to a residual ‖Hv - λv‖ of
    `tolerance` times |λ|, or with what `products` products with the Hessian tell. method
    `exact`: also every eigenvalue, from the matrix itself. `lanczos`: instead stochastic Lanczos
    quadrature from `probes` sign vectors of `depth` steps each.
    Arrays: `top`, `bottom` from the outside in, `top_vectors`, `bottom_vectors` [ends, parameters]
    in float32, their residuals ‖Hv - λv‖, `top_shares`, `bottom_shares` [ends, tensors] of the
    squared norm in each of `tensors`; `eigenvalues`, ascending, or `nodes` and `weights` [probes,
    depth]. Scalars: loss, trace, negative eigenvalues, spectral entropy, and how many of the pairs
    at each end converged, which is to 1e-3 of |λ|.
    Raises TooLargeError where it does not fit, ScienceError where the loss is not smooth.
    """
    snapshot = run.snapshot(step)
    landscape = Landscape.of(snapshot.problem, samples=samples)
    at = snapshot.params.double()
    function = landscape.task_loss if of == "task" else landscape.total
    size = len(at)
    scalars: dict[str, Any] = {
        "step": step,
        "method": method,
        "samples": len(landscape),
        "parameters": size,
        "loss": float(function(at)),
    }
    check_memory(8 * size * (products + 4 * ends), f"{run.path}: Lanczos on {size:,} parameters")
    apply = retained_product(function, at)
    with within("ends", 0.0, 0.2 if method == "exact" else 0.4):
        arrays = _ends(apply, snapshot, ends=ends, tolerance=tolerance, products=products)
    if method == "exact":
        with within("rows", 0.2, 0.5):
            matrix = assemble(
                hessian_product(function, at),
                size,
                chunk=chunk_of(landscape),
                watch=lambda done, n: tell("", done / n),
            )
        arrays["eigenvalues"] = eigenvalues(matrix).numpy()
        summary = summarize(torch.from_numpy(arrays["eigenvalues"]))
    else:
        vectors = signs(size, probes, "spectral density")
        with within("density", 0.4, 1.0):
            nodes, weights = quadrature(
                apply, vectors, depth, watch=lambda done, n: tell("", done / n)
            )
        arrays |= {"nodes": nodes.numpy(), "weights": weights.numpy()}
        scalars["mass"] = float(weights.sum(1).mean())
        summary = summarize_quadrature(nodes, weights, size)
    tell("done", 1.0)
    scalars |= {
        "trace": summary.trace,
        "negative": summary.negative,
        "entropy": summary.entropy,
        "top": float(arrays["top"][0]),
        "bottom": float(arrays["bottom"][0]),
        "top_converged": int(converged(arrays, "top").sum()),
        "bottom_converged": int(converged(arrays, "bottom").sum()),
        "worst_residual": _worst(arrays),
    }
    return scalars, arrays


def chunk_of(landscape: Landscape) -> int:
    """Return how many rows of the Hessian are computed at once."""
    width = max(max(entry.shape, default=1) for entry in landscape.layout.entries)
    return max(1, min(CHUNK, ROOM // (len(landscape) * width)))


def converged(arrays: Mapping[str, Any], end: str) -> npt.NDArray[np.bool_]:
    """Return which eigenpairs of an end, `top` or `bottom`, converged to 1e-3 of |λ|."""
    found: npt.NDArray[np.bool_] = arrays[f"{end}_residuals"] <= TRUSTED * np.abs(arrays[end])
    return found


def _ends(apply: Any, snapshot: Snapshot, *, ends: int, tolerance: float, products: int) -> Arrays:
    """Return what is kept of the eigenpairs at both ends."""
    layout = snapshot.problem.layout
    found = extreme(
        apply,
        layout.size,
        top=ends,
        bottom=ends,
        tolerance=tolerance,
        most=products,
        watch=lambda done, n: tell("", done / n),
    )
    arrays: Arrays = {}
    for name, end in zip(("top", "bottom"), found, strict=True):
        if not bool(torch.isfinite(end.values).all()):
            raise ScienceError(f"Hessian at step {snapshot.step}: it is not finite")
        arrays |= {
            name: end.values.numpy(),
            f"{name}_residuals": end.residuals.numpy(),
            f"{name}_vectors": end.vectors.float().numpy(),
            f"{name}_shares": shares(end.vectors, layout.sizes).numpy(),
        }
    arrays["tensors"] = _names(snapshot)
    return arrays


def _names(snapshot: Snapshot) -> npt.NDArray[np.str_]:
    return np.array([entry.name for entry in snapshot.problem.layout.entries])


def _worst(arrays: Arrays) -> float:
    """Return the largest residual over the largest |λ|."""
    largest = max(abs(arrays["top"][0]), abs(arrays["bottom"][0]))
    worst = max(arrays["top_residuals"].max(), arrays["bottom_residuals"].max())
    return float(worst / largest) if largest else 0.0
