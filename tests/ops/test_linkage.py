import numpy as np
import pytest
from scipy.cluster import hierarchy
from scipy.spatial.distance import pdist

from grokscope.ops.linkage import clusters, gaps, linkage


def values(seed, n=60):
    return np.random.default_rng(seed).standard_cauchy(n)


@pytest.mark.parametrize("seed", range(5))
def test_linkage_is_that_of_the_general_algorithm(seed):
    x = values(seed)
    expected = hierarchy.linkage(pdist(x[:, None]), method="single")
    np.testing.assert_allclose(linkage(x), expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_counted_clusters_are_those_the_general_algorithm_cuts(seed):
    x = values(seed)
    tree = hierarchy.linkage(pdist(x[:, None]), method="single")
    scales = np.quantile(tree[:, 2], [0.0, 0.1, 0.37, 0.5, 0.9]) * (1 + 1e-9)
    expected = [hierarchy.fcluster(tree, t, criterion="distance").max() for t in scales]
    assert clusters(x, scales).tolist() == expected


def test_gaps_are_the_heights_of_the_tree():
    x = values(9)
    heights = hierarchy.linkage(pdist(x[:, None]), method="single")[:, 2]
    np.testing.assert_allclose(gaps(x), np.sort(heights)[::-1], rtol=1e-12)


def test_equal_values_are_joined_at_distance_zero():
    x = [1.0, 1.0, 3.0, 1.0]
    assert gaps(x).tolist() == [2.0, 0.0, 0.0]
    assert clusters(x, [0.0, 1.9, 2.0]).tolist() == [2, 2, 1]
    tree = linkage(x)
    assert hierarchy.is_valid_linkage(tree)
    assert tree[:, 2].tolist() == [0.0, 0.0, 2.0]
    assert tree[:, 3].tolist() == [2, 3, 4]


def test_one_value_is_one_cluster_without_gaps():
    assert gaps([5.0]).tolist() == []
    assert linkage([5.0]).shape == (0, 4)
    assert clusters([5.0], [1.0]).tolist() == [1]
