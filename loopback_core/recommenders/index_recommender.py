"""The served score, found through the nearest-neighbour index."""

from typing import Self

import numpy as np

from loopback_core.data import NOTHING, FitData, Histories, Ids, Ragged, Ranking, distinct_in_rows
from loopback_core.ranking.linear import Prior, lookup, queries
from loopback_core.ranking.served import Asked, Served
from loopback_core.retrieval.indexes.vector_index import VectorIndex
from loopback_core.retrieval.top_k import tie_order, top_k_sparse


class IndexRecommender:
    """The same score, found by the nearest-neighbour index.

    The index finds the best by all but the personal prior; what the prior can lift is little: tracks of the history, of
    its dearest artists and of those most related to them. These are scored beside what was found, and the best of both
    are the best of all, as far as the index is exact.
    """

    id = "two_tower_index"

    def __init__(self, served: Served, index: VectorIndex, seed: int) -> None:
        self.served, self.index = served, index
        self._liked = served.liked_by_all()
        self.tie_rank = tie_order(len(served.vectors), seed)

    def fit(self, data: FitData) -> Self:
        """Nothing to learn: the index was built before."""
        return self

    def recommend(self, histories: Histories, k: int, exclude: Ragged | None) -> Ranking:
        """See :class:`loopback_core.recommenders.recommender.Recommender`."""
        return self.rank(self.served.read(histories), k, exclude)

    def rank(self, asked: Asked, k: int, exclude: Ragged | None) -> Ranking:
        """The k best candidates of the users who ask."""
        users, prior = asked.users, asked.prior
        found = self.index.search(queries(users, self.served.scoring, self.served.popularity), k, exclude)
        if not len(prior.tracks.row) and not len(prior.artists.row):
            return found
        candidates = self._candidates(found, prior)
        row, track = candidates.row_numbers(), candidates.values
        # Row by row: the vectors of all candidates at once, and the user beside each, would be a gigabyte.
        products = [self.served.vectors[candidates[i]] @ user for i, user in enumerate(users)]
        scores = np.concatenate(products) + self._liked[track]
        artist = self.served.candidate_artist[track].astype(np.int64)
        scores += lookup(prior.tracks, row, track, len(self.served.vectors))[:, 0]
        scores += lookup(prior.artists, row, artist, self.served.n_artists)[:, 0]
        return top_k_sparse(candidates, scores.astype(np.float32), k, self.tie_rank, exclude)

    def _candidates(self, found: Ranking, prior: Prior) -> Ragged:
        """What was found, what was played, and the tracks of the prior's artists: distinct tracks for each row."""
        row, place = np.nonzero(found.tracks != NOTHING)
        of_artists = self.served.tracks_of_artist.take(prior.artists.items)
        rows = [row, prior.tracks.row, np.repeat(prior.artists.row, of_artists.lengths)]
        tracks: list[Ids] = [found.tracks[row, place], prior.tracks.items, of_artists.values]
        every = Ragged.from_pairs(np.concatenate(rows), np.concatenate(tracks), len(found.tracks))
        return distinct_in_rows(every.offsets, every.values, len(self.served.vectors))[0]
