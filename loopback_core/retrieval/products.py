"""Inner products with a few of many vectors."""

import faiss
import numpy as np

from loopback_core.data import Floats, Ids


def products_with(vectors: Floats, tracks: Ids, user: Floats) -> Floats:
    """(n,) the products of a vector, (D,), with those of some tracks, (n,); no vector is copied.

    vectors: (n_tracks, D) float32, row after row, perhaps mapped from a file.
    """
    products = np.empty(len(tracks), np.float32)
    if len(tracks):
        user, rows = np.ascontiguousarray(user, np.float32), np.ascontiguousarray(tracks, np.int64)
        pointers = (faiss.swig_ptr(array) for array in (products, user, np.asarray(vectors), rows))
        faiss.fvec_inner_products_by_idx(*pointers, vectors.shape[1], 1, len(rows))
    return products
