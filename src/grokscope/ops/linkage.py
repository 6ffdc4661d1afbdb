"""Single linkage of numbers on a line: the gaps between neighbors are all there is to it."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def gaps(values: npt.ArrayLike) -> Array:
    """Return the distances between neighbors of the sorted values, largest first: the bar code.

    >>> gaps([3.0, 0.0, 1.0]).tolist()
    [2.0, 1.0]
    """
    apart: Array = np.sort(np.diff(np.sort(np.asarray(values, dtype=np.float64))))[::-1]
    return apart


def clusters(values: npt.ArrayLike, scales: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return n(ε) at each scale: clusters that stay apart when points within ε are joined.

    Single linkage joins two clusters at the distance of their nearest points, so on a line
    n(ε) = 1 + the number of gaps larger than ε.

    >>> clusters([0.0, 1.0, 3.0], [0.5, 1.0, 2.0]).tolist()
    [3, 2, 1]
    """
    rising = gaps(values)[::-1]
    at = np.searchsorted(rising, np.asarray(scales, dtype=np.float64), side="right")
    found: npt.NDArray[np.int64] = 1 + len(rising) - at
    return found


def linkage(values: npt.ArrayLike) -> Array:
    """Return the dendrogram of single linkage as n - 1 rows (left, right, distance, members).

    As of `scipy.cluster.hierarchy.linkage`: clusters below n are the points, in the order of
    `values`; row i makes cluster n + i. Among equal distances the lower pair is joined first.
    """
    x = np.asarray(values, dtype=np.float64)
    order = np.argsort(x, kind="stable")
    apart = np.diff(x[order])
    n = len(x)
    # The cluster that ends at a sorted position, or begins there: only edges are ever asked for.
    first, last = np.arange(n), np.arange(n)
    name = order.astype(np.int64)
    rows = np.empty((max(n - 1, 0), 4))
    for i, k in enumerate(np.argsort(apart, kind="stable")):
        low, high = first[k], last[k + 1]
        left, right = sorted((name[low], name[k + 1]))
        rows[i] = left, right, apart[k], high - low + 1
        first[high], last[low] = low, high
        name[low] = n + i
    return rows
