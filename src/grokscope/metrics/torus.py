"""How smooth the network is as a function on the torus of all pairs (Q8)."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor

from grokscope.metrics.base import metric
from grokscope.ops import fourier, laplacian
from grokscope.snapshot import Snapshot
from grokscope.tasks.grid import sums

GROUP = "Torus"
SOURCE = "measures: torus Laplacian"
FRACTION = 0.1
"""Share of the modes that counts as low where nothing else is said."""
Of = Literal["logits", "representation"]


def function_on_torus(snapshot: Snapshot, asked_by: str, *, of: Of) -> Float[Tensor, "p p d"]:
    """Return the logits, or what the unembedding reads, of all pairs.

    Raises ScienceError for a task without all ordered pairs of residues and an answer ±a ± b.
    """
    p = len(sums(snapshot.problem.task, asked_by))
    found = snapshot.all_logits if of == "logits" else snapshot.everywhere("representation")
    return found.reshape(p, p, -1).double()


def low_shares(
    snapshot: Snapshot,
    asked_by: str,
    *,
    of: Of,
    fraction: float | None = FRACTION,
    count: int | None = None,
    cutoff: float | None = None,
    zero_mode: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return the low share of a function on the torus, and the largest over all relabelings."""
    grid = function_on_torus(snapshot, asked_by, of=of)
    low = laplacian.band(
        len(grid), fraction=fraction, count=count, cutoff=cutoff, zero_mode=zero_mode
    ).to(grid.device)
    of_modes = fourier.energies(grid)
    best, _ = laplacian.best_low_share(of_modes, low, zero_mode=zero_mode)
    return laplacian.low_share(of_modes, low, zero_mode=zero_mode), best


def _bytes(snapshot: Snapshot) -> int:
    problem = snapshot.problem
    width = max(problem.network.width, problem.dataset.signature.num_classes)
    return 40 * len(problem.dataset) * width


@metric(
    label="Low share of the logits",
    group=GROUP,
    cost="forward",
    source=SOURCE,
    needs=_bytes,
)
def torus_low_share(
    snapshot: Snapshot,
    *,
    fraction: float | None = FRACTION,
    count: int | None = None,
    cutoff: float | None = None,
    zero_mode: bool = False,
) -> dict[str, Tensor]:
    """Share of the logits' energy in the smoothest tenth of the torus modes, without the zero mode.

    High is smooth. `torus_low_share.best` is the largest after any relabeling a → ka: a network may
    use any frequency, and computes something smooth after the right one. A run measures it with the
    defaults; in Python the band may be a `fraction` or `count` of the modes or a `cutoff` of their
    eigenvalues.
    """
    share, best = low_shares(
        snapshot,
        "torus_low_share",
        of="logits",
        fraction=fraction,
        count=count,
        cutoff=cutoff,
        zero_mode=zero_mode,
    )
    return {"torus_low_share": share, "torus_low_share.best": best}


@metric(
    label="Low share of the representation",
    group=GROUP,
    cost="forward",
    source=SOURCE,
    needs=_bytes,
)
def torus_representation_low_share(
    snapshot: Snapshot,
    *,
    fraction: float | None = FRACTION,
    count: int | None = None,
    cutoff: float | None = None,
    zero_mode: bool = False,
) -> dict[str, Tensor]:
    """Share of the energy of what the unembedding reads in the smoothest tenth of the torus modes.

    And the largest after any relabeling a → ka, as for `torus_low_share`.
    """
    name = "torus_representation_low_share"
    share, best = low_shares(
        snapshot,
        name,
        of="representation",
        fraction=fraction,
        count=count,
        cutoff=cutoff,
        zero_mode=zero_mode,
    )
    return {name: share, f"{name}.best": best}


@metric(
    label="Spectral entropy on the torus", group=GROUP, cost="forward", source=SOURCE, needs=_bytes
)
def torus_entropy(snapshot: Snapshot, *, zero_mode: bool = False) -> dict[str, Tensor]:
    """-Σ q ln q over the shares of the logits' torus modes, over the ln of their number.

    0 where the logits are one mode, 1 where all are alike; no relabeling changes it. The same of
    what the unembedding reads is `torus_entropy.representation`.
    """
    found = {}
    for name, of in (
        ("torus_entropy", "logits"),
        ("torus_entropy.representation", "representation"),
    ):
        grid = function_on_torus(snapshot, "torus_entropy", of=of)  # type: ignore[arg-type]
        found[name] = laplacian.spectral_entropy(fourier.energies(grid), zero_mode=zero_mode)
    return found
