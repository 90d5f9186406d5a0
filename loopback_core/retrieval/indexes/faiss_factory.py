"""Empty FAISS indexes, trained for the vectors that they will hold."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import faiss
import numpy as np

from loopback_core.data import Floats
from loopback_core.retrieval.indexes.centroids import learn_centroids
from loopback_core.retrieval.indexes.inverted_lists import POINTS_PER_CENTROID, list_count
from loopback_core.retrieval.vectors import VectorRows
from loopback_core.settings import IndexSettings

TRAINED_ON = 200_000
"""Tracks that the centroids of an IVF index are learned from, or as many as its lists need."""

SMALLEST_CODE = 4
"""Bits of each part of a code. A catalog too small to learn 16 values for each part is searched exactly."""

LINKS_OF_CENTROID, WIDTH_OF_LINKING, WIDTH_OF_ADDING = 32, 100, 24
"""The graph of centroids: links of a node, width of the search while it is built, and while tracks are put into lists."""

WITH_LISTS, WITH_CODES, WITH_GRAPH = ("ivf", "pq", "ivf_hnsw", "pq_hnsw"), ("pq", "pq_hnsw"), ("ivf_hnsw", "pq_hnsw")
"""Kinds of an inverted file, those that keep short codes in it, those that find the lists by a graph."""


def empty_index(vectors: VectorRows, kind: str, settings: IndexSettings) -> Any:
    """A trained FAISS index without tracks. kind: one of :func:`built_kind`; vectors: (n, D)."""
    n = len(vectors)
    lists = settings.ivf.lists or list_count(n)
    sample = padded(_sample(vectors, max(TRAINED_ON, POINTS_PER_CENTROID * lists)), kind, settings)
    dim = sample.shape[1]
    lists = min(lists, len(sample))  # a list is learned from a track at least
    centroids = learn_centroids(sample, lists) if kind in WITH_GRAPH else None
    if centroids is not None:
        lists = len(centroids)
    index = faiss.index_factory(dim, _description(kind, n, dim, lists, settings), faiss.METRIC_INNER_PRODUCT)
    if centroids is not None:
        graph = faiss.downcast_index(faiss.extract_index_ivf(index).quantizer)
        graph.hnsw.efConstruction, graph.hnsw.efSearch = WIDTH_OF_LINKING, WIDTH_OF_ADDING
        with faiss_threads(1):  # with several threads every run builds another graph
            graph.add(centroids)
        sample = sample[:: max(1, len(sample) // TRAINED_ON)].copy()  # codes need fewer
    if kind == "hnsw":
        index.hnsw.efConstruction = settings.hnsw.ef_construction
    if not index.is_trained:
        index.train(sample)
    return index


def built_kind(n: int, settings: IndexSettings) -> str:
    """What is built for n tracks."""
    if settings.kind in WITH_CODES and _bits(n) < SMALLEST_CODE:
        return "flat"
    return settings.kind


def padded(vectors: Floats, kind: str, settings: IndexSettings) -> Floats:
    """With zeros for further dimensions, where codes need a multiple of their parts; products are the same."""
    dim = vectors.shape[1]
    missing = -dim % code_bytes(dim, settings) if kind in WITH_CODES else 0
    return np.pad(vectors, ((0, 0), (0, missing))) if missing else vectors


def code_bytes(dim: int, settings: IndexSettings) -> int:
    """Parts of the code of a vector of D dimensions; each takes at most a byte."""
    return -(-dim // settings.pq.dimensions_per_byte)


def kind_of(index: Any) -> str:
    """The kind of a FAISS index that was read from a file."""
    inverted = faiss.try_extract_index_ivf(index)
    graph = (
        "_hnsw"
        if inverted is not None and isinstance(faiss.downcast_index(inverted.quantizer), faiss.IndexHNSW)
        else ""
    )
    if isinstance(index, faiss.IndexRefine):
        return f"pq{graph}"
    if isinstance(index, faiss.IndexHNSW):
        return "hnsw"
    return "flat" if inverted is None else f"ivf{graph}"


@contextmanager
def faiss_threads(count: int | None) -> Iterator[None]:
    """Limit the threads of FAISS; None: no limit. With several threads every run builds another graph."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count or before)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _description(kind: str, n: int, dim: int, lists: int, settings: IndexSettings) -> str:
    """Of an index over n tracks, in the words of FAISS."""
    held = {"fp32": "Flat", "fp16": "SQfp16", "int8": "SQ8"}[settings.storage]
    if kind == "hnsw":
        return f"HNSW{settings.hnsw.neighbors},{held}"
    inverted = f"IVF{lists}_HNSW{LINKS_OF_CENTROID}" if kind in WITH_GRAPH else f"IVF{lists}"
    if kind in WITH_CODES:
        # np: without an order of codes that only searches by Hamming distance use, and that takes most of the training
        return f"{inverted},PQ{code_bytes(dim, settings)}x{_bits(n)}np,Refine({held})"
    return f"{inverted},{held}" if kind in WITH_LISTS else held


def _bits(n: int) -> int:
    """Of each part of a code: a byte, or less where too few tracks are there to learn 256 values from."""
    return min(8, int(np.log2(max(1, n / POINTS_PER_CENTROID))))


def _sample(vectors: VectorRows, count: int) -> Floats:
    """The vectors that centroids and value ranges are learned from: every n-th of the catalog, which is ordered by popularity."""
    return np.ascontiguousarray(vectors[:: max(1, len(vectors) // count)], np.float32)
