"""The centroids of an inverted file with many lists, learned in two levels."""

import faiss
import numpy as np

from loopback_core.data import Floats

TWO_LEVELS_FROM = 1024
"""Lists. With fewer, k-means over all of them takes seconds."""

PASSES = 10
"""Of k-means on each level."""


def learn_centroids(sample: Floats, lists: int) -> Floats:
    """About `lists` centroids of unit length, (lists, D) float32, learned from a sample, (n, D).

    k-means over L lists takes time in L times n. In two levels, the root of L groups and then the lists of each group by
    its share of the sample, it takes the root of that (the two-level clustering of FAISS' contrib, which fails where a group
    is small). As in `index_factory` of FAISS the centroids of an inner product are spherical.
    """
    if lists < TWO_LEVELS_FROM:
        return _k_means(sample, lists)
    groups = int(np.sqrt(lists))
    coarse = _k_means(sample, groups)
    group = faiss.knn(sample, coarse, 1, faiss.METRIC_INNER_PRODUCT)[1][:, 0]
    order = np.argsort(group, kind="stable")
    sizes = np.bincount(group, minlength=groups)
    ends = np.cumsum(sizes)
    of_group = np.diff(ends * lists // len(sample), prepend=0)  # their sum is `lists`
    parts = [
        _k_means(sample[order[end - size : end]], min(max(1, count), size))
        for end, size, count in zip(ends, sizes, of_group, strict=True)
        if size
    ]
    return np.concatenate(parts)


def _k_means(sample: Floats, count: int) -> Floats:
    means = faiss.Kmeans(sample.shape[1], count, niter=PASSES, spherical=True, min_points_per_centroid=1)
    means.train(sample)
    centroids: Floats = means.centroids
    return centroids
