"""The effective theory of representation learning: parallelograms among embeddings.

Liu et al. (2022), Towards Understanding Grokking. Symbols 0 … p-1 are added as integers. If
i + j = m + n and a network answers both pairs alike, it pulls E_i + E_j toward E_m + E_n; when
enough such parallelograms close, the embeddings lie on a line and unseen sums come out right.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.ops.streams import permutation, stream


def sums(p: int) -> Int[Tensor, "pairs 2"]:
    """Return all unordered pairs i <= j of 0 … p-1."""
    return torch.combinations(torch.arange(p), with_replacement=True)


def parallelograms(pairs: Int[Tensor, "pairs 2"]) -> Int[Tensor, "m 4"]:
    """Return (i, j, m, n) for every two of some unordered pairs with i + j = m + n.

    Of all pairs these are the permissible parallelograms P₀; of the pairs of a training set, those
    it can teach.
    """
    groups: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for i, j in pairs.tolist():
        groups[i + j].append((i, j))
    rows = [
        (*first, *second)
        for _, group in sorted(groups.items())
        for first, second in itertools.combinations(group, 2)
    ]
    return torch.tensor(rows, dtype=torch.int64).view(-1, 4)


def gaps(table: Float[Tensor, "p d"], corners: Int[Tensor, "m 4"]) -> Float[Tensor, " m"]:
    """Return ‖E_i + E_j - E_m - E_n‖ of each parallelogram."""
    i, j, m, n = (table.double()[column] for column in corners.unbind(1))
    length: Tensor = torch.linalg.vector_norm(i + j - m - n, dim=1)
    return length


def representation_quality(table: Float[Tensor, "p d"], *, tolerance: float = 0.01) -> float:
    """Return the RQI: the share of permissible parallelograms that close to within `tolerance`.

    The table is first centered and divided by its root mean square row, so that the tolerance is
    relative, as in the paper, whose embeddings are normalized. A line gives 1.
    """
    centered = table.double() - table.double().mean(0)
    scale = centered.square().sum(1).mean().sqrt()
    closed = gaps(centered / scale, parallelograms(sums(len(table)))) <= tolerance
    return float(closed.double().mean())


def quadratic(p: int, corners: Int[Tensor, "m 4"]) -> Float[Tensor, "p p"]:
    """Return Q with Σ ‖E_i + E_j - E_m - E_n‖² / m = tr(EᵀQE), over the given parallelograms."""
    rows = torch.zeros(len(corners), p, dtype=torch.float64)
    at = torch.arange(len(corners))
    for column, sign in zip(corners.unbind(1), (1, 1, -1, -1), strict=True):
        rows.index_put_((at, column), torch.tensor(float(sign), dtype=torch.float64), True)
    return rows.t() @ rows / max(1, len(corners))


def nullity(form: Float[Tensor, "p p"]) -> int:
    """Return how many directions the parallelograms leave free.

    2 are always free, shift and scale of a line: with 2 every table that closes all of them is a
    line, and the network can generalize; with more it need not.
    """
    values = torch.linalg.eigvalsh(form)
    return int((values <= 1e-10 * values[-1].clamp(min=1e-300)).sum())


def grokking_rate(form: Float[Tensor, "p p"]) -> float:
    """Return λ₃ of 2Q: how fast the slowest direction that must die dies; 0 with more than 2 free.

    The paper's prediction of the speed of grokking, in units of time over ‖E‖² of the flow.
    """
    return max(0.0, 2 * float(torch.linalg.eigvalsh(form)[2])) if nullity(form) <= 2 else 0.0


def representation_flow(
    table: Float[Tensor, "p d"], form: Float[Tensor, "p p"], times: Float[Tensor, " t"]
) -> Float[Tensor, "t p d"]:
    """Return the gradient flow of the effective loss tr(EᵀQE)/‖E‖², which keeps ‖E‖.

    Ė = -(2/‖E‖²)(Q - ℓ)E with ℓ the loss, so E(t) is exp(-2Qt/‖E‖²)E(0), drawn back to the norm it
    had. Deviation: the paper drops the ℓ and normalizes after each step instead; directions agree.
    """
    values, vectors = torch.linalg.eigh(form.double())
    begun = table.double()
    size = torch.linalg.vector_norm(begun)
    kept = torch.exp(-2 * torch.outer(times.double() / size**2, values.clamp(min=0)))
    moved: Tensor = torch.einsum("pk,tk,kd->tpd", vectors, kept, vectors.t() @ begun)
    lengths = torch.linalg.vector_norm(moved, dim=(1, 2)).view(-1, 1, 1)
    kept_size: Tensor = moved * (size / lengths)
    return kept_size


def predicted_accuracy(
    table: Float[Tensor, "p d"], pairs: Int[Tensor, "pairs 2"], *, tolerance: float = 0.01
) -> float:
    """Return the share of all sums that a table of these embeddings gets right after training.

    A pair is right if it was trained, or closes a parallelogram with one that was. The tolerance
    is absolute, in units of the table.
    """
    trained = {tuple(pair) for pair in pairs.tolist()}
    corners = parallelograms(sums(len(table)))
    closed = gaps(table, corners) <= tolerance
    right = set(trained)
    for i, j, m, n in corners[closed].tolist():
        if (i, j) in trained:
            right.add((m, n))
        if (m, n) in trained:
            right.add((i, j))
    return len(right) / len(sums(len(table)))


def line_probability(
    p: int, fractions: Sequence[float], *, trials: int = 100, seed: int = 0
) -> list[float]:
    """Return, for each training fraction, how often random pairs leave no freedom but a line's.

    Where this crosses ½ is the predicted critical training fraction.
    """
    every = sums(p)
    found = []
    for fraction in fractions:
        count = math.floor(fraction * len(every) + 1e-9)
        hits = 0
        for trial in range(trials):
            order = permutation(stream(seed, "line probability", trial), len(every))
            chosen = every[torch.from_numpy(order[:count])]
            hits += nullity(quadratic(p, parallelograms(chosen))) == 2
        found.append(hits / trials)
    return found
