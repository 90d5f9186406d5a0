"""The distinct items of each history, and sums over the listens to them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Floats, Histories, Ids, Ragged, distinct_in_rows
from loopback_core.towers.decayed_counts import Bag


@dataclass(frozen=True)
class Heard:
    """The distinct tracks or artists of each history; those beyond the catalog are left out."""

    histories: Histories
    items: Ragged
    known: NDArray[np.bool_]  # (listens,) whether the item of a listen is in the catalog
    place: NDArray[np.int32]  # (known listens,) its position in items.values

    @classmethod
    def of(cls, histories: Histories, items: Ids) -> Self:
        """items: (listens,), negative ones are unknown."""
        found, place = distinct_in_rows(histories.tracks.offsets, items, int(items.max(initial=-1)) + 1)
        return cls(histories, found, items >= 0, place)

    @cached_property
    def ages(self) -> Ids:
        """Seconds since each known listen, (known listens,)."""
        return self.histories.ages[self.known]

    @cached_property
    def listens_later(self) -> Ids:
        """The number of listens that came after each known listen, (known listens,)."""
        tracks = self.histories.tracks
        later = np.repeat(tracks.offsets[1:], tracks.lengths) - np.arange(len(tracks.values)) - 1
        return later[self.known]

    def by_row(self) -> Iterator[tuple[Ids, NDArray[np.int32], Ids]]:
        """For each history its items, the place among them of every known listen, and the listens that came after it."""
        ends = np.concatenate([[0], np.cumsum(self.known)])[self.histories.tracks.offsets]
        for row, (low, high) in enumerate(pairwise(ends.tolist())):
            yield self.items[row], self.place[low:high] - self.items.offsets[row], self.listens_later[low:high]

    def sum(self, weight: NDArray[np.floating] | None = None) -> NDArray[np.float64]:
        """For every item the sum over its listens, or their number. weight: (known listens,)."""
        return np.bincount(self.place, weight, minlength=len(self.items.values)).astype(np.float64)

    def last(self, values: Ids) -> Ids:
        """For every item the value of its last listen. values: (known listens,)."""
        of_item = np.zeros(len(self.items.values), np.int64)
        of_item[self.place] = values  # the oldest listen is first in every row, so the last one stays
        return of_item

    def first(self, values: Ids) -> Ids:
        """For every item the value of its first listen. values: (known listens,)."""
        of_item = np.zeros(len(self.items.values), np.int64)
        of_item[self.place[::-1]] = values[::-1]
        return of_item

    def bag(self, *columns: NDArray[np.number]) -> Bag:
        """The items with these weights, (n,) each."""
        weights: Floats = np.stack(columns, axis=1).astype(np.float32)
        return Bag(self.items.values, weights, self.items.row_numbers())
