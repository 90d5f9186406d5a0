"""The tracks that the score lifts for everybody: few of them are near to a user, and yet they may come first."""

from functools import cached_property

import numpy as np

from loopback_core.data import NOTHING, Floats, Ids, Ragged
from loopback_core.ranking.scorer import Scorer
from loopback_core.retrieval.top_k import top_k

HEAD_TRACKS = 20_000
"""Tracks with the largest sum of the catalog terms, which are scored for every request."""


class CatalogHead:
    """The head of a catalog by what everybody shares in the score, to be searched exactly.

    The score of a candidate is a product with the user plus a sum that is the same for all users. What is best by both together is
    nearly always among the best by one of them (the idea of the threshold algorithm: Fagin et al. 2001), and an index knows
    products alone: as further dimensions of its vectors the sum would decide which lists hold the best tracks, and the lists are
    made by direction.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def best(self, users: Floats, k: int, exclude: Ragged | None) -> tuple[Ids, Ids]:
        """Row and track of the k best of the head for each user, without the personal terms.

        users: (rows, D) divided by the temperature. exclude: per row the candidates to leave out.
        """
        if not len(self.tracks):
            return self.tracks, self.tracks
        scores = users @ self._vectors.T * self._scorer.product_weight + self._scorer.of_catalog_terms[self.tracks]
        places = None if exclude is None else self._places(exclude)
        best = top_k(scores, min(k, len(self.tracks)), np.arange(len(self.tracks)), places).tracks
        row, place = np.nonzero(best != NOTHING)
        return row, self.tracks[best[row, place]]

    @cached_property
    def tracks(self) -> Ids:
        """(HEAD_TRACKS or fewer,) ascending; none where everybody shares nothing."""
        shared = self._scorer.of_catalog_terms
        if not shared.any():
            return np.zeros(0, np.int64)
        n = min(HEAD_TRACKS, len(shared))
        return np.sort(np.argpartition(-shared, n - 1)[:n])

    @cached_property
    def _vectors(self) -> Floats:
        return np.ascontiguousarray(self._scorer.vectors[self.tracks])

    def _places(self, exclude: Ragged) -> Ragged:
        """The places in the head of what is excluded."""
        place = np.minimum(np.searchsorted(self.tracks, exclude.values), len(self.tracks) - 1)
        inside = self.tracks[place] == exclude.values
        return Ragged.from_pairs(exclude.row_numbers()[inside], place[inside], len(exclude))
