"""Characters of a finite group from its Cayley table, and what they cut functions on it into.

The sums of conjugacy classes commute; their common eigenvalues are |C|χ(C)/χ(1) (Burnside; Dixon
1967). One generic combination of them tells all irreducible characters apart, in floating point.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from grokscope.errors import ScienceError
from grokscope.ops.streams import normals, stream


@dataclass(frozen=True)
class Characters:
    """The irreducible characters of a group.

    values: χ_ρ of each element; dimensions: χ_ρ of the identity. The trivial character is the
    first; then they ascend by dimension.
    """

    values: Complex[Tensor, "irreps order"]
    dimensions: Int[Tensor, " irreps"]


@dataclass(frozen=True)
class Components:
    """Functions on a group as a sum of isotypic components, conjugate characters together.

    basis: orthonormal columns; number: the component of each column, 0 the constants; dimensions:
    χ(1) of each component's characters.
    """

    basis: Float[Tensor, "order order"]
    number: Int[Tensor, " order"]
    dimensions: tuple[int, ...]


def inverses(table: Int[Tensor, "order order"]) -> Int[Tensor, " order"]:
    """Return the inverse of each element; element 0 is the identity."""
    return (table == 0).int().argmax(1)


def classes(table: Int[Tensor, "order order"]) -> Int[Tensor, " order"]:
    """Return the number of each element's conjugacy class; that of the identity is 0."""
    inverse, order = inverses(table), torch.arange(len(table))
    found = torch.full_like(order, -1)
    for g in range(len(table)):
        if found[g] < 0:
            found[table[table[order, g], inverse]] = int(found.max()) + 1
    return found


def characters(table: Int[Tensor, "order order"]) -> Characters:
    """Return the characters of the group with this Cayley table, complex128.

    Raises ScienceError where the table is that of no group, or its characters are not orthogonal.
    """
    order, elements = len(table), torch.arange(len(table))
    lines = torch.cat([table, table.t()])
    if not (torch.equal(table[0], elements) and bool((lines.sort(1).values == elements).all())):
        raise ScienceError("this table is that of no group whose identity is element 0")
    class_of, inverse = classes(table), inverses(table)
    count = int(class_of.max()) + 1
    sizes = torch.bincount(class_of, minlength=count).double()
    weights = torch.from_numpy(normals(stream(0, "class sums"), count))
    matrix = torch.zeros(count, count, dtype=torch.float64)
    for k in range(count):
        z = int((class_of == k).int().argmax())
        matrix[:, k].index_add_(0, class_of, weights[class_of[table[z, inverse]]])
    normal = sizes.rsqrt().unsqueeze(1) * matrix * sizes.sqrt()
    vectors = torch.from_numpy(np.linalg.eig(normal.numpy())[1]).to(torch.complex128)
    omega = vectors * sizes.sqrt().unsqueeze(1)
    omega = (omega / omega[:1]).t()
    dimensions = (order / (omega.abs().square() / sizes).sum(1)).sqrt().round()
    values = (omega * dimensions.unsqueeze(1) / sizes)[:, class_of]
    gram = values @ values.mH / order
    if not torch.allclose(gram, torch.eye(count, dtype=gram.dtype), atol=1e-6):
        raise ScienceError("this table is that of no group: its characters are not orthogonal")
    rows = torch.cat([values.real, values.imag], dim=1).mul(1e6).round()
    keys = [(int(d), *(-row).tolist()) for d, row in zip(dimensions, rows, strict=True)]
    ascending = torch.tensor(sorted(range(count), key=keys.__getitem__))
    return Characters(values[ascending], dimensions[ascending].long())


def components(table: Int[Tensor, "order order"]) -> Components:
    """Return the isotypic components of real functions on the group.

    The projection on that of ρ is f ↦ (χ(1)/n) Σ_y χ(xy⁻¹) f(y). A character that is not real comes
    with its conjugate, which no real function can be told apart from.
    """
    found, inverse = characters(table), inverses(table)
    order = len(table)
    marked = torch.zeros(order, order, dtype=torch.float64)
    dimensions: list[int] = []
    taken = torch.zeros(len(found.dimensions), dtype=torch.bool)
    for number, values in enumerate(found.values):
        if taken[number]:
            continue
        distance = (found.values - values.conj()).abs().amax(1)
        partner = int(distance.argmin())
        taken[[number, partner]] = True
        of_pair = values.real * (2 if partner != number else 1)
        dimension = int(found.dimensions[number])
        projection = of_pair[table[:, inverse]] * dimension / order
        dimensions.append(dimension)
        marked += len(dimensions) * projection
    levels, basis = torch.linalg.eigh(marked)
    return Components(basis, levels.round().long() - 1, tuple(dimensions))
