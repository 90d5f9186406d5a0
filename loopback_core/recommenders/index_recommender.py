"""The served score, found through the nearest-neighbour index."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from loopback_core.data import NOTHING, Ids, Ragged, Ranking, distinct_in_rows
from loopback_core.ranking.linear_ranker import TOWERS_ALONE
from loopback_core.ranking.pair_features import Prior, lookup
from loopback_core.ranking.reordering import reordered
from loopback_core.ranking.scorer import EncodedUsers, Scorer
from loopback_core.recommenders.catalog_head import CatalogHead
from loopback_core.recommenders.lists import THROUGH_INDEX
from loopback_core.recommenders.towers_recommender import TowersRecommender
from loopback_core.retrieval.indexes.vector_index import VectorIndex
from loopback_core.retrieval.products import products_with
from loopback_core.retrieval.top_k import top_k_sparse

NEAREST_OF_INDEX = 1_000
"""Tracks that the index is asked for at least, so that a short list is the head of a long one."""

MOST_LIFTED = 2_000
"""Tracks of the artists of the prior that are scored for a request, besides what the index found."""


class IndexRecommender(TowersRecommender):
    """The same score, found by the nearest-neighbour index.

    The index finds the best by the towers, and the head of the catalog is searched for the best by the towers and the catalog
    terms. The personal prior lifts tracks of the history, their neighbours, and those of its artists and of related ones: of these
    the MOST_LIFTED best of each user by all but the towers. All are scored together, and the best of them are nearly always
    the best of all. Where the scorer has a corrector, it puts the best in order.
    """

    def __init__(self, scorer: Scorer, index: VectorIndex, seed: int) -> None:
        """seed: of the permutation that breaks ties."""
        super().__init__(scorer, seed, THROUGH_INDEX)
        self.index = index
        self._head = CatalogHead(scorer)
        self.places = 0 if scorer.corrector is None else scorer.corrector.places

    def rank(self, users: EncodedUsers, k: int, exclude: Ragged | None) -> Ranking:
        """The k best candidates of each user."""
        prior, scorer = users.prior, self.scorer
        width = min(max(k, NEAREST_OF_INDEX), len(scorer.vectors))
        nearest = self.index.search(users.vectors, width, exclude)
        if scorer.ranker == TOWERS_ALONE:
            return self._in_order(users, nearest, k)
        found = [
            self._head.best(users.vectors, width, exclude),
            (prior.tracks.row, prior.tracks.items),
            self._lifted(prior, len(users.vectors), exclude),
        ]
        return self.rank_among(users, self._together(nearest, found), k, exclude)

    def rank_among(self, users: EncodedUsers, candidates: Ragged, k: int, exclude: Ragged | None) -> Ranking:
        """The k best of some candidates of each user. candidates: rows of distinct track ids."""
        best = self._best_among(users, candidates, max(k, self.places), exclude)
        return self._in_order(users, best, k)

    def _in_order(self, users: EncodedUsers, best: Ranking, k: int) -> Ranking:
        ordered = reordered(self.scorer, users, best)
        return Ranking(ordered.tracks[:, :k], ordered.scores[:, :k])

    def _best_among(self, users: EncodedUsers, candidates: Ragged, k: int, exclude: Ragged | None) -> Ranking:
        prior, scorer = users.prior, self.scorer
        if exclude is not None:
            candidates = candidates.without(exclude, len(scorer.vectors))
        row, track = candidates.row_numbers(), candidates.values
        products = [products_with(scorer.vectors, candidates[i], user) for i, user in enumerate(users.vectors)]
        scores = np.concatenate(products) * scorer.product_weight + scorer.of_catalog_terms[track]
        artist = scorer.candidate_artist[track].astype(np.int64)
        scores += lookup(prior.tracks, row, track, len(scorer.vectors))[:, 0]
        of_artist = lookup(prior.artists, row, artist, scorer.n_artists)
        scores += of_artist[:, 0] + of_artist[:, 1] * scorer.popularity[track]
        return top_k_sparse(candidates, scores.astype(np.float32), k, self.tie_rank)

    def _together(self, nearest: Ranking, others: Sequence[tuple[Ids, Ids]]) -> Ragged:
        """What the index found, and other rows and tracks: distinct tracks for each row."""
        row, place = np.nonzero(nearest.tracks != NOTHING)
        rows = np.concatenate([row, *(rows for rows, _ in others)])
        tracks = np.concatenate([nearest.tracks[row, place], *(tracks for _, tracks in others)])
        every = Ragged.from_pairs(rows, tracks, len(nearest.tracks))
        return distinct_in_rows(every.offsets, every.values, len(self.scorer.vectors))[0]

    def _lifted(self, prior: Prior, n_rows: int, exclude: Ragged | None) -> tuple[Ids, Ids]:
        """Row and track of the best tracks of the prior's artists, by all but the product of the towers.

        What is excluded is left out before: of their artists users have heard the popular tracks.
        """
        scorer, lifted = self.scorer, [np.zeros(0, np.int64)]
        ends = np.searchsorted(prior.artists.row, np.arange(n_rows + 1))
        is_out = np.zeros(len(scorer.vectors), np.bool_)
        for row, (low, high) in enumerate(pairwise(ends.tolist())):
            of_artists = scorer.tracks_of_artist.take(prior.artists.items[low:high])
            tracks = of_artists.values
            if len(tracks) > MOST_LIFTED:
                weights = np.repeat(prior.artists.weights[low:high], of_artists.lengths, axis=0)
                if exclude is not None:
                    out = exclude[row][exclude[row] < len(is_out)]  # histories may hold unknown tracks
                    is_out[out] = True
                    left = ~is_out[tracks]
                    is_out[out] = False
                    tracks, weights = tracks[left], weights[left]
            if len(tracks) > MOST_LIFTED:
                lift = weights[:, 0] + weights[:, 1] * scorer.popularity[tracks] + scorer.of_catalog_terms[tracks]
                tracks = tracks[np.argpartition(-lift, MOST_LIFTED)[:MOST_LIFTED]]
            lifted.append(tracks)
        return np.repeat(np.arange(n_rows), [len(tracks) for tracks in lifted[1:]]), np.concatenate(lifted)
