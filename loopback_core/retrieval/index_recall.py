"""How much of an exact search an index finds."""

import faiss
import numpy as np

from loopback_core.data import NOTHING, Floats
from loopback_core.retrieval.indexes.vector_index import VectorIndex
from loopback_core.retrieval.vectors import VectorRows

COMPARED_AT_ONCE = 1_000_000
"""Tracks whose vectors are held."""


def recall_of_index(index: VectorIndex, vectors: VectorRows, queries: Floats, k: int) -> float:
    """Share of the exact k nearest tracks that the index finds, over all queries.

    vectors: (n, D) what was indexed. queries: (rows, D) vectors of real users. A track counts when its score reaches
    that of the exact k-th: tracks with equal vectors stand in for each other.
    """
    k = min(k, len(vectors))
    threshold = _best_scores(vectors, queries, k)[:, -1:]
    tracks = index.search(queries, k, None).tracks
    # By the vectors and not by the index's own scores, which would also be high for a track of another name.
    scores = np.stack([vectors[row] @ query for row, query in zip(tracks, queries, strict=True)])
    return float(np.mean((tracks != NOTHING) & (scores >= threshold - 1e-6)))


def _best_scores(vectors: VectorRows, queries: Floats, k: int) -> Floats:
    """The k largest products of each query, (rows, k), by an exact search."""
    best: Floats = np.full((len(queries), k), -np.inf, np.float32)
    for start in range(0, len(vectors), COMPARED_AT_ONCE):
        block = vectors[start : start + COMPARED_AT_ONCE]
        scores = faiss.knn(queries, block, min(k, len(block)), faiss.METRIC_INNER_PRODUCT)[0]
        best = -np.sort(-np.concatenate([best, scores], axis=1), axis=1)[:, :k]
    return best
