"""How long one query takes, the way a server would ask it."""

import time

import numpy as np

from loopback_core.data import Histories, Ragged
from loopback_core.retrieval.embed import user_vectors
from loopback_core.retrieval.index import VectorIndex
from loopback_core.towers.two_tower import TwoTower

QUERIES = 200


def measure_latency(
    index: VectorIndex, model: TwoTower, histories: Histories, exclude: Ragged | None, k: int = 100
) -> dict[str, float | None]:
    """p50 and p99 of a search for k tracks, one query at a time, seen tracks excluded, in milliseconds.

    histories, exclude: the users who ask, at most QUERIES of them. None when there is nobody to ask.
    """
    rows = min(len(histories), QUERIES)
    if not rows:
        return {"p50_ms": None, "p99_ms": None}
    vectors = user_vectors(model, histories.rows(0, rows))
    milliseconds = []
    for row in range(rows):
        seen = None if exclude is None else exclude.take(np.array([row]))
        started = time.perf_counter()
        index.search(vectors[row : row + 1], k, seen)
        milliseconds.append(1000 * (time.perf_counter() - started))
    return {"p50_ms": float(np.percentile(milliseconds, 50)), "p99_ms": float(np.percentile(milliseconds, 99))}
