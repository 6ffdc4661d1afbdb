"""All eigenvalues of a symmetric matrix by way of a band: matrix products instead of sweeps.

LAPACK's reduction to three diagonals reads the whole matrix once for every column, so a large one
is as fast as memory. Reducing it to a band first needs a product for every `BAND` columns, and the
band is small enough to be reduced in the cache (Bischof, Lang and Sun 2000).
"""

import itertools

import torch
from jaxtyping import Float
from torch import Tensor

BAND = 64
"""Diagonals below the main one that are left."""
BLOCK = 1024
"""Rows of the matrix that are updated at once."""
LEAST = 1024
"""Rows below which LAPACK's own way is as fast."""


def eigenvalues(matrix: Float[Tensor, "size size"]) -> Float[Tensor, " size"]:
    """Return all eigenvalues of a symmetric float64 matrix, ascending; what is in it is lost."""
    from scipy.linalg import eigh, eigvals_banded  # noqa: PLC0415 - loaded where needed

    if len(matrix) < LEAST:
        found = eigh(matrix.numpy(), eigvals_only=True, check_finite=False, driver="evd")
    else:
        band = to_band(matrix, BAND).numpy()
        found = eigvals_banded(band, lower=True, overwrite_a_band=True, check_finite=False)
    return torch.from_numpy(found)


def to_band(matrix: Float[Tensor, "size size"], width: int) -> Float[Tensor, "rows size"]:
    """Return a band matrix with the same eigenvalues: row i holds the i-th diagonal below the main.

    Each panel of `width` columns is reduced by Q = I - V T Vᵀ from its QR decomposition, and the
    rest S becomes Qᵀ S Q = S - W Vᵀ - V Wᵀ with X = S V T and W = X - ½ V Tᵀ Vᵀ X. What is in the
    matrix is lost.
    """
    size = len(matrix)
    band = matrix.new_zeros(width + 1, size)
    for start in range(0, size, width):
        stop = min(start + width, size)
        below, columns = matrix[stop:, start:stop], stop - start
        corner = matrix[start:stop, start:stop]
        if len(below):
            reflectors, scales, upper = _panel(below)
            _apply(matrix, stop, reflectors, scales)
            corner = torch.cat([corner, upper])
        for column in range(columns):
            kept = corner[column : column + width + 1, column]
            band[: len(kept), start + column] = kept
    return band


def _panel(panel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return V and T of the Q that makes a panel upper triangular, and that triangle."""
    packed, factors = torch.geqrf(panel.clone())
    upper = torch.triu(packed)[: panel.shape[1]]
    reflectors = torch.tril(packed[:, : len(factors)], -1)
    reflectors.diagonal().fill_(1)
    idle = factors == 0  # a column that needs no reflection
    reflectors[:, idle] = 0
    inverse = torch.triu(reflectors.t() @ reflectors, 1)
    inverse.diagonal().copy_(1 / torch.where(idle, torch.ones_like(factors), factors))
    identity = torch.eye(len(factors), dtype=panel.dtype)
    return reflectors, torch.linalg.solve_triangular(inverse, identity, upper=True), upper


def _apply(matrix: Tensor, start: int, reflectors: Tensor, scales: Tensor) -> None:
    """Turn the matrix S from `start` on into Qᵀ S Q in its place, in its lower blocks alone.

    The blocks stand at multiples of `BLOCK`, so that those on the diagonal are whole at every call.
    """
    size = len(matrix)
    edges = [start, *range((start // BLOCK + 1) * BLOCK, size, BLOCK), size]
    scaled = reflectors @ scales
    x = torch.zeros_like(reflectors)
    for top, end in itertools.pairwise(edges):
        rows, low, high = matrix[top:end, start:end], top - start, end - start
        x[low:high] += rows @ scaled[:high]
        x[:low] += rows[:, :low].t() @ scaled[low:high]
    w = x - reflectors @ (scales.t() @ (reflectors.t() @ x)) / 2
    left, right = torch.cat([w, reflectors], 1), torch.cat([reflectors, w], 1).t()
    for top, end in itertools.pairwise(edges):
        low, high = top - start, end - start
        matrix[top:end, start:end].addmm_(left[low:high], right[:, :high], alpha=-1)
