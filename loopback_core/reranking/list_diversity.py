"""How different the first tracks of lists are from each other."""

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import NOTHING, Floats, Ids

LIST_DIVERSITY = {
    "distance": "distance@K = mean over the pairs among the first K of 1 - the cosine of their vectors",
    "artists": "artists@K = distinct artists among the first K",
    "entropy": "entropy@K = entropy in bits of the shares of the artists among the first K",
}
"""Metric -> its formula, as printed in the report."""


def list_diversity(lists: Ids, vectors: Floats, artist: NDArray[np.int32]) -> tuple[float, float, float]:
    """The means over lists of the metrics of LIST_DIVERSITY, in their order; lists of one track are left out.

    lists: (rows, K) tracks, NOTHING where a list has ended. vectors: (n_tracks, D) of unit norm. artist: (n_tracks,).
    """
    values = [value for row in lists if (value := _of_one(row[row != NOTHING], vectors, artist)) is not None]
    distance, artists, entropy = np.mean(values, axis=0).tolist() if values else (0.0, 0.0, 0.0)
    return distance, artists, entropy


def _of_one(tracks: Ids, vectors: Floats, artist: NDArray[np.int32]) -> tuple[float, float, float] | None:
    n = len(tracks)
    if n < 2:
        return None
    of_tracks = np.asarray(vectors[tracks], np.float64)
    total = of_tracks.sum(axis=0)
    similar = (total @ total - np.einsum("nd,nd->", of_tracks, of_tracks)) / (n * (n - 1))
    shares = np.unique(artist[tracks], return_counts=True)[1] / n
    return float(1 - similar), float(len(shares)), float(-(shares * np.log2(shares)).sum())
