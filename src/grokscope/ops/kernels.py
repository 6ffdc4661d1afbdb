"""The compiled loops. Each has an obvious twin in PyTorch, named in its docstring.

Rows are taken four at a time, so that what is loaded once is used four times.
"""

import math

import numpy as np
from numpy.typing import NDArray

from grokscope.ops.compiled import compiled

Array = NDArray[np.floating]
Double = NDArray[np.float64]
Index = NDArray[np.int64]

_LOG2E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_SMALLEST = np.float64(-708.0)
_SHIFT = 6755399441055744.0
_SHIFT_BITS = 0x4338000000000000 - 1023


@compiled
def mix_rows(  # pragma: no cover (compiled)
    weights: Array, tables: Array, index: Index, offset: Array, rectify: bool, out: Array
) -> None:
    """Set out[i] to offset + Σ_s weights[i, s] · tables[index[i, s]], rectified if asked for.

    The usual bags, of two symbols and of two symbols for each of four heads, take one pass over
    a row. Twin: `mixing.mix_plainly`.
    """
    n, bag = index.shape
    width, zero = out.shape[1], out.dtype.type(0)
    if bag == 8:
        for i in range(n):
            row, at, w = out[i], index[i], weights[i]
            a, b, c, d = tables[at[0]], tables[at[1]], tables[at[2]], tables[at[3]]
            e, f, g, h = tables[at[4]], tables[at[5]], tables[at[6]], tables[at[7]]
            w0, w1, w2, w3, w4, w5, w6, w7 = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]
            for o in range(width):
                first = offset[o] + w0 * a[o] + w1 * b[o] + w2 * c[o] + w3 * d[o]
                x = first + w4 * e[o] + w5 * f[o] + w6 * g[o] + w7 * h[o]
                row[o] = zero if rectify and x < zero else x
        return
    if bag == 2:
        for i in range(n):
            row, a, b = out[i], tables[index[i, 0]], tables[index[i, 1]]
            w0, w1 = weights[i, 0], weights[i, 1]
            for o in range(width):
                x = offset[o] + w0 * a[o] + w1 * b[o]
                row[o] = zero if rectify and x < zero else x
        return
    for i in range(n):
        row = out[i]
        for o in range(width):
            row[o] = offset[o]
        for s in range(bag):
            a, w0 = tables[index[i, s]], weights[i, s]
            for o in range(width):
                row[o] += w0 * a[o]
        if rectify:
            for o in range(width):
                row[o] = zero if row[o] < zero else row[o]


@compiled
def rectified_gradient(  # pragma: no cover (compiled)
    gradient: Array, mixed: Array, out: Array, total: Array
) -> None:
    """Set out to the gradient where the mixture is positive, else to 0, and total to its sum.

    Twin: `gradient * (mixed > 0)` and its sum over rows.
    """
    width, zero = out.shape[1], out.dtype.type(0)
    for o in range(width):
        total[o] = zero
    for i in range(len(out)):
        g, x, row = gradient[i], mixed[i], out[i]
        for o in range(width):
            passed = g[o] if x[o] > zero else zero
            row[o] = passed
            total[o] += passed


@compiled
def unmix_rows(  # pragma: no cover (compiled)
    gradient: Array,
    weights: Array,
    tables: Array,
    rows: Index,
    users: Index,
    shares: Index,
    starts: Index,
    for_weights: Array,
    for_tables: Array,
) -> None:
    """Set the gradients of weights (flat) and tables from the gradient of the mixtures.

    A table row meets all its users at once: one pass takes the products with the row, which are
    the gradients of the weights, and the weighted sum, which is the gradient of the row.
    Twin: `mixing.plain_gradients`.
    """
    width, zero = gradient.shape[1], gradient.dtype.type(0)
    for visit in range(len(rows)):
        table, total = tables[rows[visit]], for_tables[rows[visit]]
        for o in range(width):
            total[o] = zero
        u, stop = starts[visit], starts[visit + 1]
        while u + 4 <= stop:
            a, b = gradient[users[u]], gradient[users[u + 1]]
            c, d = gradient[users[u + 2]], gradient[users[u + 3]]
            i, j, k, m = shares[u], shares[u + 1], shares[u + 2], shares[u + 3]
            v, w, x, y = weights[i], weights[j], weights[k], weights[m]
            p = q = s = t = zero
            for o in range(width):
                value = table[o]
                p += a[o] * value
                q += b[o] * value
                s += c[o] * value
                t += d[o] * value
                total[o] += v * a[o] + w * b[o] + x * c[o] + y * d[o]
            for_weights[i], for_weights[j], for_weights[k], for_weights[m] = p, q, s, t
            u += 4
        while u < stop:
            a, i = gradient[users[u]], shares[u]
            v, p = weights[i], zero
            for o in range(width):
                p += a[o] * table[o]
                total[o] += v * a[o]
            for_weights[i] = p
            u += 1


@compiled
def cross_entropy_rows(  # pragma: no cover (compiled)
    logits: Array, targets: Index, losses: Double, gradient: Array, terms: Double, powers: Double
) -> None:
    """Set losses to ln Σ exp(z) - z_y and gradient to softmax(z) - 1[y], summed in float64.

    terms, powers: room for one row, float64. The exponential is exp(x) = 2ᵏ exp(r) with
    k = round(x / ln 2), a Taylor polynomial of r in [-ln 2 / 2, ln 2 / 2] (relative error below
    2e-16) and 2ᵏ written into the exponent bits; terms below exp(-708) of the largest count as
    that. The other classes are summed apart, so a loss far below 1e-16 keeps its digits.
    Twin: `torch.nn.functional.cross_entropy` of the logits in float64.
    """
    classes = logits.shape[1]
    bits = powers.view(np.int64)
    for i in range(len(logits)):
        row, largest = logits[i], np.float64(logits[i, 0])
        for c in range(classes):
            largest = max(largest, np.float64(row[c]))
        for c in range(classes):
            x = np.float64(row[c]) - largest
            x = _SMALLEST if x < _SMALLEST else x
            k = np.rint(x * _LOG2E)
            r = (x - k * _LN2_HIGH) - k * _LN2_LOW
            e = 1 / 6227020800.0
            e = e * r + 1 / 479001600.0
            e = e * r + 1 / 39916800.0
            e = e * r + 1 / 3628800.0
            e = e * r + 1 / 362880.0
            e = e * r + 1 / 40320.0
            e = e * r + 1 / 5040.0
            e = e * r + 1 / 720.0
            e = e * r + 1 / 120.0
            e = e * r + 1 / 24.0
            e = e * r + 1 / 6.0
            e = e * r + 0.5
            e = e * r + 1.0
            terms[c] = e * r + 1.0
            powers[c] = k + _SHIFT
        for c in range(classes):
            bits[c] = (bits[c] - _SHIFT_BITS) << 52
        y = targets[i]
        own = terms[y] * powers[y]
        terms[y] = 0.0
        others = 0.0
        for c in range(classes):
            terms[c] *= powers[c]
            others += terms[c]
        total = own + others
        if own > others:
            losses[i] = math.log1p(others / own)
        else:
            losses[i] = math.log(total) - (np.float64(row[y]) - largest)
        for c in range(classes):
            gradient[i, c] = terms[c] / total
        gradient[i, y] = -others / total


@compiled
def adam_slice(  # pragma: no cover (compiled)
    gradient: Array,
    mean: Array,
    square: Array,
    direction: Array,
    new_mean: Array,
    new_square: Array,
    scalars: Array,
) -> None:
    """Set direction and moments from 1-β₁, β₂, 1-β₂, the two bias corrections and ε.

    Twin: `moments.adam_direction_plainly`.
    """
    rest1, beta2, rest2 = scalars[0], scalars[1], scalars[2]
    correction1, correction2, eps = scalars[3], scalars[4], scalars[5]
    for i in range(len(gradient)):
        g = gradient[i]
        m = mean[i] + rest1 * (g - mean[i])
        v = beta2 * square[i] + rest2 * g * g
        new_mean[i] = m
        new_square[i] = v
        direction[i] = (m / correction1) / (np.sqrt(v / correction2) + eps)
