"""The vectors of a catalog as several views of each track, and scores that are made of the products with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Floats, Ids
from loopback_core.retrieval.products import products_with

Merge = Literal["max", "sum"]
"""How the best products of a user's vectors become one score. max: several interests. sum: late interaction (MaxSim)."""


@dataclass(frozen=True)
class View:
    """One vector for each track; tracks may share it, as those of an artist do, and then it is kept once."""

    vectors: Floats  # (m, D)
    row: NDArray[np.int32] | None = None  # (n_tracks,) the vector of each track; None: its own

    def rows_of(self, tracks: Ids) -> Ids:
        """The vectors of these tracks, (n,)."""
        return tracks if self.row is None else self.row[tracks].astype(np.int64)

    @property
    def n_bytes(self) -> int:
        """Of the vectors, and of what says which track has which."""
        return self.vectors.nbytes + (0 if self.row is None else self.row.nbytes)


def scores_of(users: Floats, views: Sequence[View], tracks: Ids, merge: Merge) -> Floats:
    """(n,) the scores of some tracks for one user: over its vectors u the `merge` of max over the views v of u · v(t).

    users: (U, D). tracks: (n,). The score of a track is the same to the last digit whatever other tracks are asked for.
    """
    merged: Floats | None = None
    for user in users:
        best: Floats | None = None
        for view in views:
            products = _products(user, view, tracks)
            best = products if best is None else np.maximum(best, products, out=best)
        assert best is not None
        if merged is None:
            merged = best
        elif merge == "max":
            np.maximum(merged, best, out=merged)
        else:
            merged += best
    assert merged is not None
    return merged


def _products(user: Floats, view: View, tracks: Ids) -> Floats:
    rows = view.rows_of(tracks)
    if view.row is None or len(rows) <= len(view.vectors):
        return products_with(view.vectors, rows, user)
    return products_with(view.vectors, np.arange(len(view.vectors)), user)[rows]  # each vector once
