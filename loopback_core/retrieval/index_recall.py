"""How much of an exact search an index finds."""

import faiss
import numpy as np

from loopback_core.data import NOTHING, Floats
from loopback_core.retrieval.indexes.vector_index import VectorIndex


def recall_of_index(index: VectorIndex, vectors: Floats, queries: Floats, k: int) -> float:
    """Share of the exact k nearest tracks that the index finds, over all queries.

    vectors: (n, D) what was indexed. queries: (rows, D) vectors of real users. A track counts when its score reaches
    that of the exact k-th: tracks with equal vectors stand in for each other.
    """
    k = min(k, len(vectors))
    threshold = faiss.knn(queries, vectors, k, faiss.METRIC_INNER_PRODUCT)[0][:, -1:]  # exact, without a copy
    tracks = index.search(queries, k, None).tracks
    # By the vectors and not by the index's own scores, which would also be high for a track of another name.
    scores = np.stack([vectors[row] @ query for row, query in zip(tracks, queries, strict=True)])
    return float(np.mean((tracks != NOTHING) & (scores >= threshold - 1e-6)))
