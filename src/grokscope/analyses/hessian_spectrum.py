"""The spectrum of the Hessian at every checkpoint: exact, or by ends and density (A3, A4)."""

import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch

from grokscope._progress import tell, within
from grokscope.analyses.hessian_checkpoint import chunk_of, hessian_checkpoint
from grokscope.errors import ConfigError, ScienceError
from grokscope.landscape import Landscape, Of
from grokscope.ops.curvature import hessian_product, hessian_rows, matrix_bytes
from grokscope.ops.lanczos import density
from grokscope.ops.memory import SHARE, free_memory
from grokscope.snapshot import Snapshot
from grokscope.store.results import Arrays, Result, analysis
from grokscope.store.run import Run
from grokscope.typing import Ge, Gt, Lt

SOLVING = 6e-11
"""Seconds to diagonalize a float64 matrix over the cube of its size, on two cores."""
GRID = 1024
"""Points at which a density is given."""


@dataclass(frozen=True)
class Cost:
    """What an exact spectrum of one checkpoint would take, and whether it is worth it."""

    bytes: int
    seconds: float
    exact: bool


@analysis(label="Hessian spectrum", source="Ghorbani et al. 2019; Sagun et al. 2017")
def hessian_spectrum(
    run: Run,
    *,
    steps: tuple[Annotated[int, Ge(0)], ...] | None = None,
    method: Literal["auto", "exact", "lanczos"] = "auto",
    samples: Annotated[int, Gt(0)] | None = 200,
    of: Of = "task",
    ends: Annotated[int, Gt(0)] = 10,
    probes: Annotated[int, Gt(0)] = 10,
    depth: Annotated[int, Gt(1)] = 80,
    tolerance: Annotated[float, Gt(0), Lt(1)] = 1e-8,
    products: Annotated[int, Gt(0)] = 600,
    seconds: Annotated[float, Gt(0)] = 300.0,
) -> tuple[dict[str, Any], Arrays]:
    """Return the spectrum of the Hessian of the training loss at the saved steps, all by default.

    method `auto`: exact where the matrix fits into memory and an estimate says that a checkpoint
    takes at most `seconds`; else the ends by Lanczos and the density by stochastic Lanczos
    quadrature. The other options are those of `hessian_checkpoint`, whose results are stored step
    by step, so an analysis that was interrupted goes on where it was.
    Arrays over `steps`: `eigenvalues` [steps, parameters], or `nodes` and `weights` [steps, probes,
    depth]; `top`, `bottom` [steps, ends] with residuals and shares by tensor; `trace`, `negative`,
    `entropy`, `loss`.
    Raises ScienceError without checkpoints, TooLargeError where an exact Hessian does not fit.
    """
    chosen = _steps(run, steps)
    cost = estimate(run.snapshot(chosen[0]), samples=samples, of=of, seconds=seconds)
    kind = ("exact" if cost.exact else "lanczos") if method == "auto" else method
    options: dict[str, Any] = {"method": kind, "samples": samples, "of": of, "ends": ends}
    options |= {"tolerance": tolerance, "products": products}
    if kind == "lanczos":
        options |= {"probes": probes, "depth": depth}
    tell(f"{kind}: {said(cost)}", 0.0)
    found = []
    for number, step in enumerate(chosen):
        with within(f"step {step:,}", number / len(chosen), (number + 1) / len(chosen)):
            found.append(
                run.analyze("hessian_checkpoint", step=step, **changed(hessian_checkpoint, options))
            )
            tell("", 1.0)
    return _scalars(found, cost), _together(found, chosen)


def changed(function: Callable[..., Any], options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that are not at their default, so that equal requests have one hash."""
    known = inspect.signature(function).parameters
    return {name: value for name, value in options.items() if value != known[name].default}


def estimate(snapshot: Snapshot, *, samples: int | None, of: Of, seconds: float) -> Cost:
    """Return what an exact spectrum would take here; some rows are computed to find out."""
    landscape = Landscape.of(snapshot.problem, samples=samples)
    at = snapshot.params.double()
    size, chunk = len(at), chunk_of(landscape)
    needed = matrix_bytes(size)
    solving = SOLVING * size**3
    if needed > SHARE * free_memory() or solving > seconds:
        return Cost(needed, solving, exact=False)
    function = landscape.task_loss if of == "task" else landscape.total
    rows = hessian_rows(hessian_product(function, at), size, chunk)
    next(rows)  # the first warms up
    start = time.perf_counter()
    counted = len(next(rows, torch.zeros(1)))
    spent = (time.perf_counter() - start) / counted * size
    return Cost(needed, spent + solving, exact=spent + solving <= seconds)


def said(cost: Cost) -> str:
    """Return the estimate in words."""
    return f"an exact spectrum takes about {cost.bytes / 1e9:.2g} GB and {cost.seconds:.2g} s"


def densities(result: Result, points: int = GRID) -> tuple[np.ndarray, np.ndarray]:
    """Return a grid [points] of λ/max|λ| and the density [steps, points] of that at each step.

    By Gaussians of standard deviation .01; each step has a largest |λ| of its own.
    """
    arrays = result.arrays
    if "nodes" in arrays:
        nodes, weights = torch.from_numpy(arrays["nodes"]), torch.from_numpy(arrays["weights"])
    else:
        nodes = torch.from_numpy(arrays["eigenvalues"]).unsqueeze(1)
        weights = torch.full_like(nodes, 1 / nodes.shape[-1])
    grid = torch.linspace(-1.1, 1.1, points, dtype=torch.float64)
    sizes = nodes.abs().flatten(1).max(1).values.clamp_min(torch.finfo(nodes.dtype).tiny)
    scaled = zip(nodes, weights, sizes, strict=True)
    rows = [density(n / size, w, grid, width=0.01) for n, w, size in scaled]
    return grid.numpy(), torch.stack(rows).numpy()


def _steps(run: Run, steps: Sequence[int] | None) -> list[int]:
    if not run.steps:
        raise ScienceError(f"{run.path}: hessian_spectrum: no checkpoint was saved yet")
    chosen = sorted(set(run.steps if steps is None else steps))
    for step in chosen:
        if step not in run.steps:
            near = min(run.steps, key=lambda saved: abs(saved - step))
            raise ConfigError(f"{run.path}: no checkpoint at step {step}; the nearest is {near}")
    if not chosen:
        raise ConfigError("hessian_spectrum: steps: name at least one saved step, or none at all")
    return chosen


def _scalars(found: list[Result], cost: Cost) -> dict[str, Any]:
    first, last = found[0].scalars, found[-1].scalars
    scalars = {name: first[name] for name in ("method", "samples", "parameters")}
    scalars |= {"estimated_seconds": cost.seconds, "estimated_gigabytes": cost.bytes / 1e9}
    for name in ("loss", "trace", "negative", "entropy", "top", "bottom"):
        scalars |= {f"first_{name}": first[name], f"last_{name}": last[name]}
    scalars["checkpoints"] = len(found)
    for name in ("top_converged", "bottom_converged"):
        scalars[f"least_{name}"] = min(part.scalars[name] for part in found)
    return scalars | {"worst_residual": max(part.scalars["worst_residual"] for part in found)}


def _together(found: list[Result], steps: list[int]) -> Arrays:
    """Return the arrays of all steps, stacked; eigenvectors stay with their checkpoint."""
    left_out = ("top_vectors", "bottom_vectors", "tensors")
    names = [name for name in found[0].arrays if name not in left_out]
    arrays: Arrays = {name: np.stack([part.arrays[name] for part in found]) for name in names}
    for name in ("trace", "negative", "entropy", "loss"):
        arrays[name] = np.array([part.scalars[name] for part in found])
    return arrays | {"steps": np.array(steps), "tensors": found[0].arrays["tensors"]}
