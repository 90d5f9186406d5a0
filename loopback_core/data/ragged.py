"""Lists of different lengths in one array."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]


def stable_order(rows: NDArray[np.integer], n_rows: int) -> Ids:
    """The positions of `rows` sorted by row, (total,); within a row the order of the input is kept. rows: in [0, n_rows).

    Numbers of two bytes are sorted by counting, which takes a quarter of the time.
    """
    return np.argsort(rows.astype(np.uint16) if n_rows <= 1 << 16 else rows, kind="stable")


@dataclass(frozen=True)
class Ragged:
    """Lists of different lengths in one array: row i is `values[offsets[i]:offsets[i + 1]]`."""

    offsets: Ids  # (rows + 1,)
    values: Ids  # (total,)

    @classmethod
    def from_pairs(cls, rows: Ids, values: Ids, n_rows: int) -> Self:
        """Group `values` by `rows`; within a row the order of the input is kept.

        rows: (total,) in [0, n_rows). values: (total,).
        """
        order = stable_order(rows, n_rows)
        counts = np.bincount(rows, minlength=n_rows)
        return cls(
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            np.asarray(values)[order].astype(np.int64),
        )

    @classmethod
    def between(cls, values: NDArray[np.integer], starts: Ids, stops: Ids) -> Self:
        """Row i is values[starts[i]:stops[i]]; nothing else of `values` is read."""
        rows = [values[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]
        offsets = np.concatenate([[0], np.cumsum(stops - starts)]).astype(np.int64)
        return cls(offsets, np.concatenate([values[:0], *rows], dtype=np.int64))

    @property
    def lengths(self) -> Ids:
        """Length of every row, (rows,)."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> Ids:
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    def take(self, rows: Ids) -> Ragged:
        """The given rows, in the given order."""
        begins = self.offsets[rows]
        lengths = self.offsets[np.asarray(rows) + 1] - begins
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        places = np.arange(offsets[-1])
        places += np.repeat(begins - offsets[:-1], lengths)
        return Ragged(offsets, self.values[places])

    def without(self, other: Ragged, n_items: int) -> Ragged:
        """The values of each row that its row of `other` does not hold. Values of this one are in [0, n_items)."""
        left_out, keep = np.zeros(n_items, np.bool_), np.empty(len(self.values), np.bool_)
        for row in range(len(self)):
            out = other[row][other[row] < n_items]
            left_out[out] = True
            keep[self.offsets[row] : self.offsets[row + 1]] = ~left_out[self[row]]
            left_out[out] = False
        return Ragged(np.concatenate([[0], np.cumsum(keep)])[self.offsets], self.values[keep])

    def row_numbers(self) -> Ids:
        """The row of every value, (total,)."""
        return np.repeat(np.arange(len(self)), self.lengths)


ITEMS_PER_SORTED = 10
"""Items of a table that are scanned in the time in which one is sorted."""


def distinct_in_rows(offsets: Ids, items: NDArray[np.integer], n_items: int) -> tuple[Ragged, NDArray[np.int32]]:
    """Row i: the distinct items at offsets[i] to offsets[i + 1], ascending; and the position of every item in the values.

    items: (total,) below n_items; negative ones are left out and have no position. Long rows are marked in one table of
    all items, so that only short ones are sorted.
    """
    table: _Table | None = None
    rows, places, begins = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)], [0]
    for low, high in pairwise(offsets.tolist()):
        of_row = items[low:high]
        of_row = of_row[of_row >= 0]
        if len(of_row) * ITEMS_PER_SORTED < n_items:
            distinct, place = np.unique(of_row, return_inverse=True)
        else:
            table = table or _Table(n_items)
            distinct, place = table.distinct(of_row)
        rows.append(distinct.astype(np.int64))
        places.append((begins[-1] + place).astype(np.int32))
        begins.append(begins[-1] + len(distinct))
    return Ragged(np.array(begins, np.int64), np.concatenate(rows)), np.concatenate(places)


class _Table:
    """A mark and a number for every item."""

    def __init__(self, n_items: int) -> None:
        self._is_marked, self._number = np.zeros(n_items, np.bool_), np.empty(n_items, np.int32)

    def distinct(self, items: NDArray[np.integer]) -> tuple[Ids, NDArray[np.int32]]:
        """The distinct items, ascending, and the position of each item among them."""
        self._is_marked[items] = True
        distinct = np.flatnonzero(self._is_marked)
        self._is_marked[distinct] = False
        self._number[distinct] = np.arange(len(distinct))
        return distinct, self._number[items]
