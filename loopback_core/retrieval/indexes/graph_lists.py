"""Search of an inverted file whose centroids are a graph, the second look at what short codes found, and lists that are never short."""

from collections.abc import Callable
from typing import Any

import faiss
import numpy as np

from loopback_core.data import NOTHING, Floats, Ids

SCANNED_PER_PROBE = 80
"""Centroids that a scan reads in the time in which the search of their graph finds one more list (128 dimensions, one core)."""

Nearby = tuple[Floats, Ids]
"""Scores and ids, both (rows, k), the best first; NOTHING where no more were found."""

FindNearby = Callable[[Floats], Nearby]
"""From queries, (rows, D), to what is near them."""


def filled(some: FindNearby, everything: FindNearby, queries: Floats, fewest: int) -> Nearby:
    """What `some` finds for queries, (rows, D), and what `everything` finds for those for whom it finds fewer than `fewest`.

    For those alone: what one user finds does not depend on who else is asked for.
    """
    scores, tracks = some(queries)
    short = np.count_nonzero(tracks != NOTHING, axis=1) < fewest
    if short.any():
        scores[short], tracks[short] = everything(queries[short])
    return scores, tracks


def search_by_graph(index: Any, queries: Floats, k: int, probes: int, selector: Any, left: int, refined: int) -> Nearby:
    """The k best of the `probes` nearest lists, or of all lists where those hold too few of the `left` tracks to be found.

    index: an IndexIVF, or an IndexRefine over one: then `refined` times k tracks get a second look. selector: of FAISS, or None.
    """
    inverted, is_refined = faiss.extract_index_ivf(index), isinstance(index, faiss.IndexRefine)
    width = k * refined if is_refined else k

    def visiting(lists: int) -> FindNearby:
        return lambda rows: search_lists(inverted, rows, width, lists, selector)

    scores, tracks = filled(visiting(probes), visiting(int(inverted.nlist)), queries, min(k, left))
    return second_look(index.refine_index, queries, tracks, k) if is_refined else (scores, tracks)


def search_lists(inverted: Any, queries: Floats, k: int, probes: int, selector: Any) -> Nearby:
    """The k best of the `probes` nearest lists, for queries (rows, D). selector: of FAISS, or None."""
    lists, products = _nearest_lists(inverted, queries, min(probes, int(inverted.nlist)))
    queries = np.ascontiguousarray(queries, np.float32)
    scores, tracks = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
    pointers = (faiss.swig_ptr(array) for array in (lists, products, scores, tracks))
    parameters = faiss.SearchParametersIVF(nprobe=lists.shape[1], sel=selector)
    # The wrapper of FAISS takes no selector here.
    inverted.search_preassigned_c(len(queries), faiss.swig_ptr(queries), k, *pointers, False, parameters)
    return scores, tracks


def _nearest_lists(inverted: Any, queries: Floats, probes: int) -> tuple[Ids, Floats]:
    """The numbers of the nearest lists and the products with their centroids, both (rows, probes).

    A graph finds few of many centroids sooner than a scan; it need not reach all of them.
    """
    graph = faiss.downcast_index(inverted.quantizer)
    if probes * SCANNED_PER_PROBE > int(inverted.nlist):
        products, lists = graph.storage.search(queries, probes)
    else:
        products, lists = graph.search(queries, probes, params=faiss.SearchParametersHNSW(efSearch=2 * probes))
    return lists, products


def second_look(vectors: Any, queries: Floats, tracks: Ids, k: int) -> Nearby:
    """The k best of the tracks of each row by their products with better vectors; of equals the lower id first.

    vectors: an index of FAISS that holds them. tracks: (rows, m), NOTHING where a row holds fewer.
    """
    rows, width = tracks.shape
    held = vectors.reconstruct_batch(np.maximum(tracks, 0).ravel()).reshape(rows, width, -1)
    products = np.einsum("rmd,rd->rm", held, queries).astype(np.float32)
    products[tracks == NOTHING] = -np.inf
    best = np.lexsort((tracks, -products), axis=1)[:, :k]
    scores, found = np.take_along_axis(products, best, axis=1), np.take_along_axis(tracks, best, axis=1)
    missing = ((0, 0), (0, max(0, k - width)))
    return np.pad(scores, missing, constant_values=-np.inf), np.pad(found, missing, constant_values=NOTHING)
