"""How long one query takes, asked one at a time as by a server."""

import time

import numpy as np

from loopback_core.data import Floats, Ragged
from loopback_core.retrieval.indexes.vector_index import VectorIndex

QUERIES = 200


def measure_latency(
    index: VectorIndex, queries: Floats, exclude: Ragged | None, k: int = 100
) -> dict[str, float | None]:
    """p50 and p99 of a search for k tracks, one query at a time, seen tracks excluded, in milliseconds.

    queries, exclude: of the users; at most QUERIES of them are measured. None without a user.
    """
    rows = min(len(queries), QUERIES)
    if not rows:
        return {"p50_ms": None, "p99_ms": None}
    milliseconds = []
    for row in range(rows):
        seen = None if exclude is None else exclude.take(np.array([row]))
        started = time.perf_counter()
        index.search(queries[row : row + 1], k, seen)
        milliseconds.append(1000 * (time.perf_counter() - started))
    return {"p50_ms": float(np.percentile(milliseconds, 50)), "p99_ms": float(np.percentile(milliseconds, 99))}
