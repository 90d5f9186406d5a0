"""What the engines besides FAISS share: positions, deleted tracks, and lists that are never short."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

import numpy as np

from loopback_core.data import NOTHING, Floats, Ids, Ragged, Ranking
from loopback_core.retrieval.indexes.deleted_tracks import NO_IDS, load_deleted, save_deleted
from loopback_core.retrieval.top_k import no_ranking
from loopback_core.settings import IndexSettings

Nearest = tuple[Ids, Floats]
"""Ids and their scores, both (m,), in any order, none twice."""


class FilteredSearch(ABC):
    """An index whose engine searches for one query among the tracks that are left, or scans them.

    An engine implements the methods below `delete`. Its approximate search may find fewer tracks than there are; then
    they are scanned.
    """

    def __init__(self, settings: IndexSettings, positions: int, deleted: Ids = NO_IDS) -> None:
        self.settings, self.kind, self.positions, self.deleted = settings, str(settings.kind), positions, deleted

    @classmethod
    def load(cls, path: Path, settings: IndexSettings) -> Self:
        """See :class:`loopback_core.retrieval.indexes.vector_index.VectorIndex`."""
        return cls._load(path, settings, load_deleted(path))

    def save(self, path: Path) -> None:
        """See :class:`loopback_core.retrieval.indexes.vector_index.VectorIndex`."""
        self._save(path)
        save_deleted(self.deleted, path)

    def __len__(self) -> int:
        return self.positions - len(self.deleted)

    def search(self, queries: Floats, k: int, exclude: Ragged | None, only: Ids | None = None) -> Ranking:
        """See :class:`loopback_core.retrieval.indexes.vector_index.VectorIndex`."""
        ranking = no_ranking(len(queries), k)
        among = None if only is None else np.setdiff1d(self._known(only), self.deleted)
        for row, query in enumerate(np.asarray(queries, np.float32)):
            seen = NO_IDS if exclude is None else np.setdiff1d(self._known(exclude[row]), self.deleted)
            left = among if among is None or not len(seen) else np.setdiff1d(among, seen, assume_unique=True)
            count = min(k, len(self) - len(seen) if left is None else len(left))
            if count < 1:
                continue
            ids, scores = self._find(query, count, seen, left)
            if len(ids) < count:
                ids, scores = self._scan(query, count, seen, left)
            best = np.lexsort((ids, -scores))[:count]
            ranking.tracks[row, : len(best)], ranking.scores[row, : len(best)] = ids[best], scores[best]
        return ranking

    def add(self, vectors: Floats) -> None:
        """See :class:`loopback_core.retrieval.indexes.vector_index.VectorIndex`."""
        if len(vectors):
            self._add(
                np.arange(self.positions, self.positions + len(vectors)), np.ascontiguousarray(vectors, np.float32)
            )
            self.positions += len(vectors)

    def delete(self, ids: Ids) -> None:
        """See :class:`loopback_core.retrieval.indexes.vector_index.VectorIndex`."""
        new = np.setdiff1d(self._known(ids), self.deleted)
        if len(new):
            self._delete(new)
            self.deleted = np.union1d(self.deleted, new)

    @classmethod
    @abstractmethod
    def _load(cls, path: Path, settings: IndexSettings, deleted: Ids) -> Self:
        """Read what `_save` wrote."""

    @abstractmethod
    def _save(self, path: Path) -> None:
        """Write one file."""

    @abstractmethod
    def _add(self, ids: Ids, vectors: Floats) -> None:
        """Index vectors, (n, D), under new ids, (n,)."""

    @abstractmethod
    def _delete(self, ids: Ids) -> None:
        """Never find these known ids again."""

    @abstractmethod
    def _find(self, query: Floats, count: int, seen: Ids, among: Ids | None) -> Nearest:
        """The `count` nearest to a query, (D,), approximately; at least that many tracks are left.

        seen: sorted ids to leave out. among: sorted ids, those to leave out taken from them; None: all but `seen`.
        """

    @abstractmethod
    def _scan(self, query: Floats, count: int, seen: Ids, among: Ids | None) -> Nearest:
        """The same, exactly."""

    def _left(self, seen: Ids, among: Ids | None) -> Ids:
        """The sorted ids that are left."""
        return self._all_but(np.union1d(seen, self.deleted)) if among is None else among

    def _all_but(self, ids: Ids) -> Ids:
        left = np.ones(self.positions, np.bool_)
        left[ids] = False
        return np.flatnonzero(left)

    def _known(self, ids: Ids) -> Ids:
        return np.unique(ids[(ids >= 0) & (ids < self.positions)])


def without_holes(ids: Ids, scores: Floats) -> Nearest:
    """An answer without the places that an engine left empty."""
    there = ids != NOTHING
    return ids[there], scores[there]
