"""Empty FAISS indexes, trained for the vectors that they will hold."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import faiss
import numpy as np

from loopback_core.data import Floats
from loopback_core.retrieval.indexes.inverted_lists import POINTS_PER_CENTROID, list_count
from loopback_core.settings import IndexSettings

TRAINED_ON = 200_000
"""Tracks that the centroids of an IVF index are learned from."""

SMALLEST_CODE = 4
"""Bits of each part of a code. A catalog too small to learn 16 values for each part is searched exactly."""


def empty_index(vectors: Floats, kind: str, settings: IndexSettings) -> Any:
    """A trained FAISS index without tracks. kind: flat, ivf, hnsw or pq; vectors: (n, D), the width of the kind."""
    n, dim = vectors.shape
    index = faiss.index_factory(dim, _description(kind, n, dim, settings), faiss.METRIC_INNER_PRODUCT)
    if kind == "hnsw":
        index.hnsw.efConstruction = settings.hnsw.ef_construction
    if not index.is_trained:
        index.train(_sample(vectors))
    return index


def built_kind(n: int, settings: IndexSettings) -> str:
    """What is built for n tracks."""
    if settings.kind == "auto":
        return "flat" if n <= settings.flat_limit else "ivf"
    if settings.kind == "pq" and _bits(n) < SMALLEST_CODE:
        return "flat"
    return settings.kind


def code_bytes(dim: int, settings: IndexSettings) -> int:
    """Parts of the code of a vector of D dimensions; each takes at most a byte."""
    return -(-dim // settings.pq.dimensions_per_byte)


@contextmanager
def faiss_threads(count: int | None) -> Iterator[None]:
    """Limit the threads of FAISS; None: no limit. With several threads every run builds another graph."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count or before)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _description(kind: str, n: int, dim: int, settings: IndexSettings) -> str:
    """Of an index over n tracks, in the words of FAISS."""
    held = {"fp32": "Flat", "fp16": "SQfp16", "int8": "SQ8"}[settings.storage]
    if kind == "hnsw":
        return f"HNSW{settings.hnsw.neighbors},{held}"
    lists = list_count(n)
    if kind == "pq":
        # np: without an order of codes that only searches by Hamming distance use, and that takes most of the training
        return f"IVF{lists},PQ{code_bytes(dim, settings)}x{_bits(n)}np,Refine({held})"
    return f"IVF{lists},{held}" if kind == "ivf" else held


def _bits(n: int) -> int:
    """Of each part of a code: a byte, or less where too few tracks are there to learn 256 values from."""
    return min(8, int(np.log2(max(1, n / POINTS_PER_CENTROID))))


def _sample(vectors: Floats) -> Floats:
    """The vectors that centroids and value ranges are learned from: every n-th of the catalog, which is ordered by popularity."""
    return np.ascontiguousarray(vectors[:: max(1, len(vectors) // TRAINED_ON)])
