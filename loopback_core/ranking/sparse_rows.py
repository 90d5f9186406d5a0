"""A sparse matrix over the tracks of the catalog, of which a request reads a few rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Floats, Ids, Ragged, distinct_in_rows

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

    def sums(self, rows: Ids, weights: NDArray[np.float64]) -> list[tuple[Ids, NDArray[np.float64]]]:
        """Weighted sums of some rows: of each sum the columns that it reaches, ascending, and their values, (n,) each.

        A product of sparse matrices would pass over every track of the catalog.

        rows: (rows,) distinct. weights: (sums, rows); the rows at the end whose weight is 0 are not read.
        """
        reach = [int(np.flatnonzero(weight)[-1]) + 1 if weight.any() else 0 for weight in weights]
        read, sums = self.of_rows(rows[: max(reach, default=0)]), []
        values, lengths = read.values.astype(np.float64), np.diff(read.ends)
        found, place, found_of = Ragged(np.array([0, 0]), rows[:0]), np.zeros(0, np.int32), 0
        for weight, last in zip(weights, reach, strict=True):
            part = slice(0, int(read.ends[last]))
            if last != found_of:  # in a short history most sums read all of it
                found, place = distinct_in_rows(read.ends[[0, last]], read.columns[part], len(self))
                found_of = last
            weighted = np.repeat(weight[:last], lengths[:last]) * values[part]
            score: NDArray[np.float64] = np.bincount(place, weighted, minlength=len(found.values)).astype(np.float64)
            sums.append((found.values, score))
        return sums
