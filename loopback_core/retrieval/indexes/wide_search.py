"""Filters for engines that cannot leave tracks out of a search."""

from abc import abstractmethod

import numpy as np

from loopback_core.data import Floats, Ids
from loopback_core.retrieval.indexes.filtered_search import FilteredSearch, Nearest

SCANNED_PER_FOUND = 64
"""Vectors that a scan reads in the time in which a search gives one more track."""

SCANNED_AT_ONCE = 50_000
"""Vectors that a scan holds."""


class WideSearch(FilteredSearch):
    """Searches for as many tracks more as are left out; reads the vectors of those that are left where that is faster."""

    def _find(self, query: Floats, count: int, seen: Ids, among: Ids | None) -> Nearest:
        left = len(self) - len(seen) if among is None else len(among)
        width = count + len(seen) if among is None else 2 * count * len(self) // left
        if width > count and width * SCANNED_PER_FOUND > left:
            return self._scan(query, count, seen, among)
        ids, scores = self._nearest(query, min(width, len(self)))
        keep = ~np.isin(ids, seen) if among is None else np.isin(ids, among)
        return ids[keep], scores[keep]

    def _scan(self, query: Floats, count: int, seen: Ids, among: Ids | None) -> Nearest:
        left = self._left(seen, among)
        starts = range(0, len(left), SCANNED_AT_ONCE)
        scores = np.concatenate([self._vectors(left[start : start + SCANNED_AT_ONCE]) @ query for start in starts])
        best = np.argpartition(-scores, count - 1)[:count] if count < len(left) else np.arange(len(left))
        return left[best], scores[best]

    @abstractmethod
    def _nearest(self, query: Floats, width: int) -> Nearest:
        """The nearest of all tracks that are not deleted, about `width` of them."""

    @abstractmethod
    def _vectors(self, ids: Ids) -> Floats:
        """The vectors of tracks that are not deleted, (n, D)."""
