"""What a whole spectrum says."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.errors import ScienceError


@dataclass(frozen=True)
class Summary:
    """Numbers of a spectrum: its trace, how many eigenvalues are negative, and their entropy."""

    trace: float
    negative: float
    entropy: float


def summarize(values: Float[Tensor, " size"]) -> Summary:
    """Return trace, number of negative eigenvalues, and entropy of |λ|/Σ|λ| in nats.

    Negative is what is below -size · ε · max|λ|: rounding leaves a null space on both sides of 0.
    """
    edge = len(values) * torch.finfo(values.dtype).eps * values.abs().max()
    return Summary(float(values.sum()), int((values < -edge).sum()), float(entropy(values, None)))


def summarize_quadrature(
    nodes: Float[Tensor, "probes steps"], weights: Float[Tensor, "probes steps"], size: int
) -> Summary:
    """Return the same of a spectrum of `size` eigenvalues known by its quadrature: estimates."""
    share = weights.flatten() / len(nodes)
    values = nodes.flatten()
    edge = size * torch.finfo(values.dtype).eps * values.abs().max()
    return Summary(
        float(size * share @ values),
        float(size * share[values < -edge].sum()),
        float(entropy(values, size * share)),
    )


def entropy(
    values: Float[Tensor, " size"], counts: Float[Tensor, " size"] | None
) -> Float[Tensor, ""]:
    """Return -Σ q ln q in nats for q = |λ|/Σ|λ|.

    counts: how often each value occurs, once by default. Raises ScienceError where all are 0.

    >>> float(entropy(torch.tensor([1.0, -1.0, 0.0]), None))  # ln 2
    0.6931471824645996
    """
    counts = torch.ones_like(values) if counts is None else counts
    sizes = values.abs()
    total = (counts * sizes).sum()
    if not total > 0:
        raise ScienceError("spectral entropy: every eigenvalue is 0, so no share is defined")
    found: Tensor = (counts * torch.special.entr(sizes / total)).sum()
    return found


def shares(vectors: Float[Tensor, "k size"], sizes: list[int]) -> Float[Tensor, "k parts"]:
    """Return the share of each vector's squared norm in consecutive parts of these sizes."""
    parts = vectors.square().split(sizes, dim=1)  # type: ignore[no-untyped-call]
    return torch.stack([part.sum(1) for part in parts], dim=1) / vectors.square().sum(1, True)
