"""A sparse matrix over the tracks of the catalog, of which a request reads a few rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Floats, Ids, distinct_in_rows

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class Entries(NamedTuple):
    """Those of some rows, one row after the other."""

    ends: Ids  # (rows + 1,) where each row ends, after a 0
    columns: NDArray[np.integer]  # (n,)
    values: Floats  # (n,)


@dataclass(frozen=True)
class Rows:
    """A sparse matrix, (n_tracks, n_tracks): as arrays, which may be mapped from a file."""

    indptr: NDArray[np.integer]  # (n_tracks + 1,) where each row begins
    indices: NDArray[np.integer]  # (total,) the column of each entry
    data: Floats  # (total,) its value

    @classmethod
    def of(cls, matrix: csr_array) -> Self:
        """The same entries; columns have 32 bits, since rows are read in any order, and from memory."""
        return cls(matrix.indptr, matrix.indices.astype(np.int32), matrix.data)

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def of_rows(self, rows: Ids) -> Entries:
        """The entries of some rows."""
        starts = self.indptr[rows].astype(np.int64)
        lengths = self.indptr[rows + 1] - starts
        ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        places = np.arange(ends[-1]) + np.repeat(starts - ends[:-1], lengths)
        return Entries(ends, self.indices[places], self.data[places])

    def sums(self, rows: Ids, weights: NDArray[np.float64]) -> tuple[Ids, list[NDArray[np.float64]]]:
        """Weighted sums of some rows: the columns that any of them reaches, ascending, (n,), and the values of each, (n,).

        A product of sparse matrices would pass over every track of the catalog.

        rows: (rows,) distinct. weights: (sums, rows); the rows at the end whose weight is 0 are not read.
        """
        reach = [int(np.flatnonzero(weight)[-1]) + 1 if weight.any() else 0 for weight in weights]
        read = self.of_rows(rows[: max(reach, default=0)])
        found, place = distinct_in_rows(read.ends[[0, -1]], read.columns, len(self))
        values, lengths, sums = read.values.astype(np.float64), np.diff(read.ends), []
        for weight, last in zip(weights, reach, strict=True):
            part = slice(0, int(read.ends[last]))
            weighted = np.repeat(weight[:last], lengths[:last]) * values[part]
            sums.append(np.bincount(place[part], weighted, minlength=len(found.values)).astype(np.float64))
        return found.values, sums
