"""Second derivatives: products with a Hessian, the Hessian whole, and traces by fixed probes."""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import grad, jvp, vmap

from grokscope.errors import ScienceError
from grokscope.ops.memory import check_memory
from grokscope.ops.streams import stream, uniforms

Scalar = Callable[[Tensor], Tensor]
Apply = Callable[[Tensor], Tensor]

ASYMMETRY = 1e-6
"""Largest |H - Hᵀ| over the largest |H| that rounding may leave."""


def hessian_product(function: Scalar, at: Float[Tensor, "*shape"]) -> Apply:
    """Return v ↦ Hv for the Hessian H of a scalar function, forward over reverse.

    Pearlmutter 1994. It may be mapped with `torch.vmap` over rows of several v.

    >>> square = lambda x: (x[0] * x[1]) ** 2 / 2
    >>> at = torch.tensor([1.0, 2.0], dtype=torch.float64)
    >>> hessian_product(square, at)(torch.tensor([1.0, 0.0], dtype=torch.float64)).tolist()
    [4.0, 4.0]
    """
    slope = grad(function)

    def product(v: Tensor) -> Tensor:
        along: Tensor = jvp(slope, (at,), (v,))[1]
        return along

    return product


def retained_product(function: Scalar, at: Float[Tensor, " size"]) -> Apply:
    """Return the same map by reverse over reverse, with the graph of the gradient kept.

    A product is then one backward pass and nothing is computed twice, which for one vector after
    another is up to four times as fast as forward over reverse; the graph stays in memory.
    """
    point = at.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(function(point), point, create_graph=True)

    def product(v: Tensor) -> Tensor:
        along: Tensor = torch.autograd.grad(slope, point, v, retain_graph=True)[0]
        return along

    return product


def hessian_rows(apply: Apply, size: int, chunk: int) -> Iterator[Float[Tensor, "chunk size"]]:
    """Yield the rows of a Hessian, `chunk` at a time: one mapped product with unit vectors each."""
    mapped = vmap(apply)
    for start in range(0, size, chunk):
        count = min(chunk, size - start)
        units = torch.zeros(count, size, dtype=torch.float64)
        units[torch.arange(count), torch.arange(start, start + count)] = 1
        yield mapped(units)


def assemble(
    apply: Apply, size: int, *, chunk: int, watch: Callable[[int, int], None] = lambda done, n: None
) -> Float[Tensor, "size size"]:
    """Return the Hessian, made symmetric after a check, in float64.

    watch: told after every chunk how many rows of how many are done. Raises TooLargeError where
    the matrix does not fit, ScienceError where it is not symmetric to 1e-6 of its largest entry.
    """
    check_memory(matrix_bytes(size), f"exact Hessian of {size:,} parameters")
    hessian = torch.empty(size, size, dtype=torch.float64)
    done = 0
    for rows in hessian_rows(apply, size, chunk):
        hessian[done : done + len(rows)] = rows
        done += len(rows)
        watch(done, size)
    return symmetric(hessian)


def symmetric(matrix: Float[Tensor, "size size"]) -> Float[Tensor, "size size"]:
    """Return (A + Aᵀ)/2 in the place of A. Raises ScienceError where they differ too much."""
    size, block = len(matrix), 1024
    scale = float(torch.linalg.vector_norm(matrix, ord=torch.inf))
    worst = 0.0
    for i in range(0, size, block):
        for j in range(0, i + 1, block):
            lower = matrix[i : i + block, j : j + block]
            upper = matrix[j : j + block, i : i + block]
            mirrored = upper.t().clone()
            worst = max(worst, float((lower - mirrored).abs().max()))
            mean = lower.add(mirrored).div_(2)
            lower.copy_(mean)
            upper.copy_(mean.t())
    if not worst <= ASYMMETRY * scale:
        raise ScienceError(
            f"Hessian: |H - Hᵀ| reaches {worst:.1e} where |H| reaches {scale:.1e}; expected less "
            f"than {ASYMMETRY:g} of that: the loss is not twice differentiable here"
        )
    return matrix


def matrix_bytes(size: int) -> int:
    """Return the bytes of one float64 matrix of this size and of the room to diagonalize it."""
    return 8 * size * size * 5 // 2


def signs(size: int, probes: int, name: str) -> Float[Tensor, "probes size"]:
    """Return the fixed Rademacher probes of a name: they depend on nothing else."""
    draws = torch.from_numpy(uniforms(stream(0, name), probes * size))
    return draws.sub_(0.5).sign_().view(probes, size)


def hutchinson(apply: Apply, probes: Float[Tensor, "probes size"]) -> Float[Tensor, " probes"]:
    """Return vᵀHv for each probe; their mean estimates the trace of H (Hutchinson 1990).

    With signs as probes the variance is 2 Σ_{i≠j} H_ij²: none at all where H is diagonal.
    """
    return torch.stack([v @ apply(v) for v in probes])
