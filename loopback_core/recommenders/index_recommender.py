"""The served score, found through the nearest-neighbour index."""

from itertools import pairwise

import numpy as np

from loopback_core.data import NOTHING, Ragged, Ranking, distinct_in_rows
from loopback_core.ranking.pair_features import Prior, lookup
from loopback_core.ranking.reordering import reordered
from loopback_core.ranking.scorer import EncodedUsers, Scorer
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

    The index finds the best by the towers and the catalog terms. The personal prior lifts tracks of the history, their
    neighbours, and those of its artists and of related ones: of these the MOST_LIFTED best of each user by all but the
    towers. They are scored together with what the index found, and the best of both are nearly always the best of all.
    Where the scorer has a corrector, it puts the best in order.
    """

    def __init__(self, scorer: Scorer, index: VectorIndex, seed: int) -> None:
        """seed: of the permutation that breaks ties."""
        super().__init__(scorer, seed, "two_tower_index")
        self.index = index
        self.places = 0 if scorer.corrector is None else scorer.corrector.places

    def rank(self, users: EncodedUsers, k: int, exclude: Ragged | None) -> Ranking:
        """The k best candidates of each user."""
        prior, scorer = users.prior, self.scorer
        width = min(max(k, NEAREST_OF_INDEX), len(scorer.vectors))
        nearest = self.index.search(scorer.index_queries(users.vectors), width, exclude)
        if not len(prior.tracks.row) and not len(prior.artists.row):
            return self._in_order(users, nearest, k)
        lifted = self._lifted(prior, len(users.vectors))
        return self.rank_among(users, self._candidates(nearest, prior, lifted), k, exclude)

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

    def _candidates(self, nearest: Ranking, prior: Prior, lifted: Ragged) -> Ragged:
        """What the index found, the tracks of the prior, and those of its artists: distinct tracks for each row."""
        row, place = np.nonzero(nearest.tracks != NOTHING)
        rows = np.concatenate([row, prior.tracks.row, lifted.row_numbers()])
        tracks = np.concatenate([nearest.tracks[row, place], prior.tracks.items, lifted.values])
        every = Ragged.from_pairs(rows, tracks, len(nearest.tracks))
        return distinct_in_rows(every.offsets, every.values, len(self.scorer.vectors))[0]

    def _lifted(self, prior: Prior, n_rows: int) -> Ragged:
        """For each history the best tracks of the prior's artists, by all but the product of the towers."""
        scorer, lifted = self.scorer, [np.zeros(0, np.int64)]
        ends = np.searchsorted(prior.artists.row, np.arange(n_rows + 1))
        for low, high in pairwise(ends.tolist()):
            of_artists = scorer.tracks_of_artist.take(prior.artists.items[low:high])
            tracks = of_artists.values
            if len(tracks) > MOST_LIFTED:
                weights = np.repeat(prior.artists.weights[low:high], of_artists.lengths, axis=0)
                lift = weights[:, 0] + weights[:, 1] * scorer.popularity[tracks] + scorer.of_catalog_terms[tracks]
                tracks = tracks[np.argpartition(-lift, MOST_LIFTED)[:MOST_LIFTED]]
            lifted.append(tracks)
        return Ragged(np.cumsum([0, *map(len, lifted[1:])]).astype(np.int64), np.concatenate(lifted))
