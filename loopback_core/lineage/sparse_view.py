"""The terms of every track, as rows of a sparse matrix."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from loopback_core.data import Floats, Ids
from loopback_core.lineage.track_views import write_array

PARTS = ("offsets", "terms", "weights")
"""Of the files of a view, in the order of the fields."""


@dataclass(frozen=True)
class SparseView:
    """Row i is track i: the terms offsets[i]:offsets[i + 1], ascending, all other weights are 0."""

    offsets: Ids  # (n_tracks + 1,)
    terms: NDArray[np.int32]  # (total,)
    weights: Floats  # (total,) above 0
    width: int  # number of terms

    @classmethod
    def joined(cls, views: Sequence[Self], width: int) -> Self:
        """The rows of several views, one after another."""
        lengths = np.concatenate([np.zeros(1, np.int64), *(np.diff(view.offsets) for view in views)])
        terms, weights = (
            np.concatenate([np.zeros(0, kind), *(getattr(view, part) for view in views)])
            for part, kind in (("terms", np.int32), ("weights", np.float32))
        )
        return cls(np.cumsum(lengths), terms, weights, width)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def matrix(self) -> Any:
        """(n_tracks, width), as scipy's CSR; nothing is copied."""
        return sparse.csr_array((self.weights, self.terms, self.offsets), shape=(len(self), self.width))

    @property
    def n_bytes(self) -> int:
        """Of the rows."""
        return self.offsets.nbytes + self.terms.nbytes + self.weights.nbytes

    def products(self, users: Floats, tracks: Ids) -> Floats:
        """See :class:`loopback_core.lineage.track_views.TrackView`: each is summed over the terms of the track in their order."""
        lengths = self.offsets[tracks + 1] - self.offsets[tracks]
        before = np.cumsum(lengths) - lengths
        place = np.arange(lengths.sum()) + np.repeat(self.offsets[tracks] - before, lengths)
        terms, weights = self.terms[place], self.weights[place]
        of_track = np.repeat(np.arange(len(tracks)), lengths)
        return np.stack(
            [np.bincount(of_track, (weights * user[terms]).astype(np.float64), minlength=len(tracks)) for user in users]
        ).astype(np.float32)

    def save(self, folder: Path, number: int) -> None:
        """Write its arrays."""
        for part in PARTS:
            write_array(folder / f"view_{number}_{part}.npy", getattr(self, part))

    @classmethod
    def load(cls, folder: Path, number: int, width: int) -> Self:
        """Map what :meth:`save` wrote."""
        offsets, terms, weights = (
            np.load(folder / f"view_{number}_{part}.npy", mmap_mode="r", allow_pickle=False) for part in PARTS
        )
        return cls(offsets, terms, weights, width)


def heaviest(row: Ids, term: Ids, weight: Floats, *, n_rows: int, width: int, count: int) -> SparseView:
    """The view that keeps the `count` heaviest terms of each row, those above 0; of equals the lower term.

    row, term, weight: (total,); no row has a term twice.
    """
    above = weight > 0
    row, term, weight = row[above], term[above], weight[above]
    order = np.lexsort((term, -weight, row))
    row, term, weight = row[order], term[order], weight[order]
    lengths = np.bincount(row, minlength=n_rows)
    place = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    kept = place < count
    row, term, weight = row[kept], term[kept], weight[kept]
    order = np.lexsort((term, row))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n_rows))]).astype(np.int64)
    return SparseView(offsets, term[order].astype(np.int32), weight[order].astype(np.float32), width)
