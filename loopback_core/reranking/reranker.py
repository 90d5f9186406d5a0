"""A re-ranker: lists in the order in which they are shown."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import NOTHING, Floats, Histories, Ids, Ranking
from loopback_core.reranking.artist_coverage import with_artists
from loopback_core.reranking.calibrate import calibrated
from loopback_core.reranking.diversify import diversified
from loopback_core.reranking.familiar import Familiar
from loopback_core.settings import RerankingMethod

LONGEST = 1_000
"""Tracks of a list that is re-ranked, where the catalog has so many: then a short list is the head of a long one."""

HEAD = 100
"""The first of those, whose order is changed for diversity."""

CHOSEN_PLACES = 30
"""Of those: the first, which are filled one by one, or page by page."""


@dataclass(frozen=True)
class Rules:
    """What no list should begin with, whatever the scores say."""

    most_of_artist: int | None = None  # tracks of one artist before everybody else had a turn; None: any number
    one_version: bool = True  # of several versions of a work only the first, and those that the user plays


@dataclass(frozen=True)
class Reranker:
    """Puts the tracks of a list in another order, with the scores that they had.

    First the head for diversity, then all of it by the rules: a track that breaks one goes behind all that do not.
    """

    vectors: Floats  # (n_tracks, D) of unit norm
    artist: NDArray[np.int32]  # (n_tracks,), or of more ids that a history may hold
    works: Ids  # (n_tracks,) from :func:`loopback_core.reranking.versions.works_of`
    diversity: float = 0.0  # from 0, the order of the scores, to 1
    method: RerankingMethod = "mmr"
    rules: Rules = Rules()

    def rerank(self, ranking: Ranking, histories: Histories) -> Ranking:
        """The lists in their new order. histories: of the users of the lists, in the same order."""
        return self.rerank_for(ranking, Familiar(histories, self.artist))

    def rerank_for(self, ranking: Ranking, familiar: Familiar) -> Ranking:
        """The same. familiar: of those histories."""
        tracks, scores = ranking.tracks.copy(), ranking.scores.copy()
        for row, listed in enumerate((ranking.tracks != NOTHING).sum(axis=1).tolist()):
            order = self._order(tracks[row, :listed], scores[row, :listed], familiar, row)
            tracks[row, :listed] = tracks[row, :listed][order]
            scores[row, :listed] = scores[row, :listed][order]
        return Ranking(tracks, scores)

    def _order(self, tracks: Ids, scores: Floats, familiar: Familiar, row: int) -> Ids:
        head = self._diversified(tracks[:HEAD], scores[:HEAD], familiar, row)
        order = np.concatenate([head, np.arange(len(head), len(tracks))])
        late = self._breaks_a_rule(tracks[order], familiar, row)
        return np.concatenate([order[~late], order[late]])

    def _diversified(self, tracks: Ids, scores: Floats, familiar: Familiar, row: int) -> Ids:
        if self.method == "artists":
            return with_artists(self.artist[tracks], scores, self.diversity, CHOSEN_PLACES)
        if self.method != "calibrated":
            return diversified(self.vectors[tracks], scores, self.diversity, self.method, CHOSEN_PLACES)
        artists, shares = familiar.taste(row)
        return calibrated(self.artist[tracks], scores, artists, shares, self.diversity, CHOSEN_PLACES)

    def _breaks_a_rule(self, tracks: Ids, familiar: Familiar, row: int) -> NDArray[np.bool_]:
        late = np.zeros(len(tracks), np.bool_)
        if self.rules.one_version:
            late = occurrence(self.works[tracks]) > 0
            if late.any():
                late[late] = ~familiar.knows(row, tracks[late])
        if self.rules.most_of_artist is not None:
            kept = np.flatnonzero(~late)
            late[kept] = occurrence(self.artist[tracks[kept]]) >= self.rules.most_of_artist
        return late


def occurrence(values: NDArray[np.integer]) -> Ids:
    """How often each value stood before, (n,): 0 where it stands for the first time."""
    order = np.argsort(values, kind="stable")
    begins = np.flatnonzero(np.diff(values[order], prepend=values[order][:1] - 1))
    counts = np.arange(len(values)) - np.repeat(begins, np.diff(begins, append=len(values)))
    before = np.empty(len(values), np.int64)
    before[order] = counts
    return before
