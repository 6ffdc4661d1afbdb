"""Lanczos with full reorthogonalization: both ends of a spectrum, and its density."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.ops.streams import normals, stream

Apply = Callable[[Tensor], Tensor]
Watch = Callable[[int, int], None]

EVERY = 10
"""Steps between two looks at what has converged."""


@dataclass(frozen=True)
class Ends:
    """Eigenpairs at one end: values [k] from the outside in, vectors [k, size], ‖Hv - λv‖ [k]."""

    values: Float[Tensor, " k"]
    vectors: Float[Tensor, "k size"]
    residuals: Float[Tensor, " k"]


class Krylov:
    """An orthonormal basis of the Krylov space of a symmetric operator, grown step by step.

    basis: [steps, size]; diagonal [steps] and beside [steps], the off-diagonal of the tridiagonal
    matrix, whose last entry belongs to the next vector.
    """

    def __init__(self, apply: Apply, start: Float[Tensor, " size"], most: int) -> None:
        self._apply = apply
        self._basis = start.new_empty(min(most, len(start)) + 1, len(start))
        self._basis[0] = start / torch.linalg.vector_norm(start)
        self.diagonal: list[float] = []
        self.beside: list[float] = []

    @property
    def basis(self) -> Float[Tensor, "steps size"]:
        """The vectors whose images are known."""
        return self._basis[: len(self.diagonal)]

    @property
    def exhausted(self) -> bool:
        """Whether no further vector is left."""
        return len(self.diagonal) >= len(self._basis) - 1

    def grow(self) -> None:
        """Apply the operator once more; a space that closes on itself goes on from a new vector."""
        j = len(self.diagonal)
        w = self._apply(self._basis[j])
        self.diagonal.append(float(w @ self._basis[j]))
        known = self._basis[: j + 1]
        w = w - self.diagonal[j] * known[j]
        if j:
            w = w - self.beside[-1] * known[j - 1]
        w = self._cleared(w, known)
        norm = float(torch.linalg.vector_norm(w))
        scale = max(map(abs, [*self.diagonal, *self.beside]))
        if norm <= 1e-13 * max(scale, torch.finfo(torch.float64).tiny):
            norm = 0.0
            fresh = torch.from_numpy(normals(stream(0, "lanczos again", j), len(w))).to(w)
            w = self._cleared(fresh, known)
        self.beside.append(norm)
        self._basis[j + 1] = w / torch.linalg.vector_norm(w)

    def solve(self) -> tuple[Float[Tensor, " m"], Float[Tensor, "m m"]]:
        """Return eigenvalues, ascending, and eigenvectors of the tridiagonal matrix, in columns."""
        from scipy.linalg import eigh_tridiagonal  # noqa: PLC0415 - loaded where needed

        values, vectors = eigh_tridiagonal(self.diagonal, self.beside[:-1])
        return torch.from_numpy(values), torch.from_numpy(vectors)

    @staticmethod
    def _cleared(w: Tensor, known: Tensor) -> Tensor:
        """Return w without its part in the rows of known; a second time where much was lost.

        Twice is enough (Giraud et al. 2005), and once where the norm stays (Parlett 1998).
        """
        before = torch.linalg.vector_norm(w)
        w = w - known.t() @ (known @ w)
        if torch.linalg.vector_norm(w) < 0.7 * before:
            w = w - known.t() @ (known @ w)
        return w


def extreme(
    apply: Apply,
    size: int,
    *,
    top: int,
    bottom: int,
    tolerance: float = 1e-8,
    most: int = 1000,
    watch: Watch = lambda done, n: None,
) -> tuple[Ends, Ends]:
    """Return the `top` largest and `bottom` smallest eigenpairs of a symmetric operator.

    Grown until ‖Hv - λv‖ of each, as Lanczos tells it, is at most `tolerance` times |λ| or the
    rounding of the largest |λ|, or after `most` products. What is returned was multiplied once
    more: residuals are those of the vectors themselves. watch: told how many pairs of how many are
    there.
    A Krylov space holds one vector of each eigenspace, so a multiple eigenvalue counts once unless
    rounding or a closed space brings in the others.
    """
    top, bottom = min(top, size), min(bottom, size)
    krylov = Krylov(apply, _start(size), most)
    wanted = top + bottom
    while True:
        krylov.grow()
        m = len(krylov.diagonal)
        if (m % EVERY or m < wanted) and not krylov.exhausted:
            continue
        values, vectors = krylov.solve()
        rest = (krylov.beside[-1] * vectors[-1]).abs()
        least = 1e-14 * float(values.abs().max())
        good = rest <= (tolerance * values.abs()).clamp_min(least)
        chosen = torch.cat([good[:bottom], good[m - top :]])
        watch(int(chosen.sum()), wanted)
        if bool(chosen.all()) or krylov.exhausted:
            break
    high = torch.arange(m - 1, m - 1 - top, -1)
    return _pairs(krylov, vectors, high, apply), _pairs(
        krylov, vectors, torch.arange(bottom), apply
    )


def quadrature(
    apply: Apply,
    probes: Float[Tensor, "probes size"],
    steps: int,
    *,
    watch: Watch = lambda done, n: None,
) -> tuple[Float[Tensor, "probes steps"], Float[Tensor, "probes steps"]]:
    """Return nodes λ and weights τ of stochastic Lanczos quadrature, one row a probe.

    tr f(H) / size ≈ mean over probes of Σ_j τ_j f(λ_j) (Golub and Meurant 2010; Ghorbani et al.
    2019), where τ_j is the squared first component of the j-th eigenvector of the tridiagonal
    matrix and the weights of a probe sum to 1.
    """
    steps = min(steps, probes.shape[1])
    nodes = probes.new_empty(len(probes), steps)
    weights = torch.empty_like(nodes)
    for number, probe in enumerate(probes):
        krylov = Krylov(apply, probe, steps)
        for _ in range(steps):
            krylov.grow()
            watch(number * steps + len(krylov.diagonal), len(probes) * steps)
        values, vectors = krylov.solve()
        nodes[number], weights[number] = values, vectors[0].square()
    return nodes, weights


def density(
    nodes: Float[Tensor, "probes steps"],
    weights: Float[Tensor, "probes steps"],
    grid: Float[Tensor, " grid"],
    *,
    width: float,
) -> Float[Tensor, " grid"]:
    """Return the spectral density: Gaussians of standard deviation `width` at the nodes."""
    apart = (grid.unsqueeze(-1) - nodes.flatten()) / width
    bells = torch.exp(-apart.square() / 2) / (width * (2 * torch.pi) ** 0.5)
    mixed: Tensor = bells @ weights.flatten() / len(nodes)
    return mixed


def _start(size: int) -> Tensor:
    return torch.from_numpy(normals(stream(0, "lanczos"), size))


def _pairs(krylov: Krylov, vectors: Tensor, chosen: Tensor, apply: Apply) -> Ends:
    """Return the chosen eigenpairs of the tridiagonal matrix as those of the operator."""
    found = vectors[:, chosen].t() @ krylov.basis
    found = found / torch.linalg.vector_norm(found, dim=1, keepdim=True)
    images = torch.stack([apply(v) for v in found]) if len(found) else found
    values = (found * images).sum(1)
    residuals = torch.linalg.vector_norm(images - values.unsqueeze(1) * found, dim=1)
    return Ends(values, found, residuals)
