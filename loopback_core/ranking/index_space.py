"""The vectors that an index holds: those of the towers, and the catalog terms as further dimensions.

The inner product of a query and such a vector is the served score without the personal prior.
"""

from pathlib import Path
from typing import Any

import numpy as np

from loopback_core.data import FitData, Floats
from loopback_core.ranking.linear_ranker import PRODUCT, LinearRanker
from loopback_core.ranking.terms import CATALOG_TERMS
from loopback_core.retrieval.vectors import load_catalog_values, load_vectors

CATALOG_LENGTH = 0.1
"""The largest length of the catalog dimensions of a vector, where the towers have length 1: otherwise
popularity dominates the inner products over which a graph is built."""


def catalog_values(data: FitData) -> Floats:
    """(n_tracks, len(CATALOG_FEATURES)) float32: the catalog terms of every catalog track."""
    return np.concatenate([term.values(data) for term in CATALOG_TERMS], axis=1)


def indexed_vectors(vectors: Floats, values: Floats) -> Floats:
    """(n, D + catalog features): the towers' unit vectors, and the catalog terms scaled down.

    vectors: (n, D). values: (n, catalog features).
    """
    return np.concatenate([vectors, values * catalog_scale(values)], axis=1)


class IndexedRows:
    """What :func:`indexed_vectors` gives, of the rows that are asked for: nothing is held but the mapped files."""

    def __init__(self, folder: Path) -> None:
        """Open the vectors and the catalog terms in a folder.

        Raises:
            ArtifactError: they are missing or damaged.
        """
        self._vectors, self._values = load_vectors(folder), load_catalog_values(folder)
        self._scale = catalog_scale(self._values)
        self.shape = (len(self._vectors), self._vectors.shape[1] + self._values.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Floats:
        """(rows, D + catalog features) float32 of a slice or of ids."""
        return np.concatenate([self._vectors[rows], self._values[rows] * self._scale], axis=1)


def index_queries(users: Floats, ranker: LinearRanker, scale: np.float32) -> Floats:
    """(rows, D + catalog features): the queries of the index.

    users: (rows, D) divided by the temperature. scale: that of the catalog values of the indexed tracks.
    """
    weights = ranker.of_catalog_features() / scale
    of_product = users * ranker.of_features([PRODUCT])
    return np.concatenate([of_product, np.tile(weights, (len(users), 1))], axis=1).astype(np.float32)


def catalog_scale(values: Floats) -> np.float32:
    """What the catalog terms of the tracks, (n, catalog features), are multiplied by in the index."""
    return np.float32(CATALOG_LENGTH / max(float(np.linalg.norm(values, axis=1).max(initial=0)), 1e-6))
