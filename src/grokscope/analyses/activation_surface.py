"""One unit over all pairs: its surface, and what waves it is made of along the diagonals (A6)."""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.errors import ConfigError, ScienceError
from grokscope.metrics.fourier import hidden_probe
from grokscope.ops import circuit, fourier
from grokscope.snapshot import Snapshot
from grokscope.store.results import Arrays, Result, analysis
from grokscope.store.run import Run
from grokscope.tasks.grid import grid_size
from grokscope.typing import Ge


@analysis(label="Activation surface", source="measures: Fourier")
def activation_surface(
    run: Run,
    *,
    step: Annotated[int, Ge(0)] | None = None,
    probe: str | None = None,
    unit: Annotated[int, Ge(0)] | None = None,
) -> tuple[dict[str, Any], Arrays]:
    """Return the activation of one unit for all p² pairs at a saved step, the last by default.

    probe: a name from the network's probes, `logits`, or by default the last hidden layer, and the
    representation without one; unit: its number there, by default the one with most of its
    variation in one frequency. Where a probe has several positions the last is read, and other axes
    are counted together.

    Arrays: `surface` [a, b]; `sum_profile` and `difference_profile`, means over the pairs of one
    a + b and a - b modulo p; `sum_spectrum` and `difference_spectrum`, the shares of frequencies
    1 … p/2 in them. Scalars: `strength` of either, the share of the largest frequency, with that
    frequency; `variation`, how much of the surface's variance the profile is; `share` and
    `frequency`, of the single frequency that makes most of the surface.
    Raises ConfigError for an unknown probe or unit, ScienceError for a task without all ordered
    pairs of residues.
    """
    p = grid_size(run.config.task, "activation_surface")
    snapshot = run.snapshot(step)
    network = snapshot.problem.network
    name = probe or hidden_probe(network) or "representation"
    grid = _activations(snapshot, name).reshape(p, p, -1)
    shares = fourier.unit_shares(grid)
    best = shares.max(0)
    chosen = int(best.values.argmax()) if unit is None else unit
    if chosen >= grid.shape[-1]:
        raise ConfigError(
            f"{run.path}: unit: {name} has {grid.shape[-1]} units, counted from 0; got {chosen}"
        )
    surface = grid[..., chosen].double()
    scalars: dict[str, Any] = {
        "step": snapshot.step,
        "probe": name,
        "unit": chosen,
        "units": grid.shape[-1],
        "share": float(best.values[chosen]),
        "frequency": int(best.indices[chosen]) + 1,
    }
    arrays: Arrays = {"surface": surface.numpy()}
    a = torch.arange(p)
    for kind, diagonal in (("sum", a.unsqueeze(1) + a), ("difference", a.unsqueeze(1) - a)):
        profile, spectrum, variation = diagonal_waves(surface, diagonal % p)
        arrays |= {f"{kind}_profile": profile.numpy(), f"{kind}_spectrum": spectrum.numpy()}
        scalars[f"{kind}_strength"] = float(spectrum.max())
        scalars[f"{kind}_frequency"] = int(spectrum.argmax()) + 1
        scalars[f"{kind}_variation"] = variation
    return scalars, arrays


def diagonal_waves(
    surface: Float[Tensor, "p p"], diagonal: Int[Tensor, "p p"]
) -> tuple[Float[Tensor, " p"], Float[Tensor, " frequencies"], float]:
    """Return the profile along a diagonal, the shares of its frequencies, and its part in all.

    The profile is the mean over the p pairs with each number in `diagonal`. NaN shares where it is
    constant; the part is its variance over that of the surface.
    """
    profile = circuit.along_sums(surface.unsqueeze(-1), diagonal)
    energies = fourier.spectrum(profile)[1:]
    total = (surface - surface.mean()).square().sum()
    part = energies.sum() * len(surface) / total
    return profile[:, 0], energies / energies.sum(), float(part)


def surface_json(result: Result) -> str:
    """Return a stored surface as JSON: its numbers and, as nested lists, its arrays.

    What is not a number there (the waves of a constant) is null.
    """
    lists = {name: _plain(values) for name, values in result.arrays.items()}
    content = {"analysis": result.analysis, "scalars": result.scalars, "arrays": lists}
    return json.dumps(content, allow_nan=False)


def write_surface(result: Result, path: Path) -> None:
    """Write a stored surface as JSON; never over a file."""
    with path.open("x", encoding="utf-8") as file:
        file.write(surface_json(result))


def _plain(values: Any) -> Any:
    if values.ndim:
        return [_plain(part) for part in values]
    return values.item() if np.isfinite(values) else None


def _activations(snapshot: Snapshot, name: str) -> Tensor:
    """Return the activations of every example [n, units], at the last position where several."""
    if name == "logits":
        return snapshot.all_logits
    network = snapshot.problem.network
    if name not in network.probes:
        known = ", ".join(["logits", *sorted(network.probes)])
        raise ConfigError(f"probe {name!r}: this network has {known}")
    found = snapshot.everywhere(name)
    if found.ndim == 1:
        return found.unsqueeze(1)
    several = found.ndim == 3
    units = found[:, -1] if several else found.flatten(1)
    if not units.shape[1]:
        raise ScienceError(f"probe {name!r}: has no units")
    return units
