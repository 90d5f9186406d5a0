"""The served score, found through the nearest-neighbour index."""

import numpy as np

from loopback_core.data import NOTHING, Ids, Ragged, Ranking, distinct_in_rows
from loopback_core.ranking.pair_features import Prior, lookup
from loopback_core.ranking.scorer import EncodedUsers, Scorer
from loopback_core.recommenders.towers_recommender import TowersRecommender
from loopback_core.retrieval.indexes.vector_index import VectorIndex
from loopback_core.retrieval.top_k import top_k_sparse


class IndexRecommender(TowersRecommender):
    """The same score, found by the nearest-neighbour index.

    The index finds the best by the towers and the catalog terms. The personal prior lifts few tracks: those of the
    history, of its artists with the most plays, and of artists related to them. These are scored together with what the
    index found, and the best of both are the best of all, as far as the index is exact.
    """

    def __init__(self, scorer: Scorer, index: VectorIndex, seed: int) -> None:
        """seed: of the permutation that breaks ties."""
        super().__init__(scorer, seed, "two_tower_index")
        self.index = index

    def rank(self, users: EncodedUsers, k: int, exclude: Ragged | None) -> Ranking:
        """The k best candidates of each user."""
        prior, scorer = users.prior, self.scorer
        nearest = self.index.search(scorer.index_queries(users.vectors), k, exclude)
        if not len(prior.tracks.row) and not len(prior.artists.row):
            return nearest
        candidates = self._candidates(nearest, prior)
        row, track = candidates.row_numbers(), candidates.values
        # Row by row: the vectors of all candidates at once, and of the user of each, would be a gigabyte.
        products = [scorer.vectors[candidates[i]] @ user for i, user in enumerate(users.vectors)]
        scores = np.concatenate(products) + self._of_catalog_terms[track]
        artist = scorer.candidate_artist[track].astype(np.int64)
        scores += lookup(prior.tracks, row, track, len(scorer.vectors))[:, 0]
        scores += lookup(prior.artists, row, artist, scorer.n_artists)[:, 0]
        return top_k_sparse(candidates, scores.astype(np.float32), k, self.tie_rank, exclude)

    def _candidates(self, nearest: Ranking, prior: Prior) -> Ragged:
        """What the index found, the tracks of the prior, and those of its artists: distinct tracks for each row."""
        row, place = np.nonzero(nearest.tracks != NOTHING)
        of_artists = self.scorer.tracks_of_artist.take(prior.artists.items)
        rows = [row, prior.tracks.row, np.repeat(prior.artists.row, of_artists.lengths)]
        tracks: list[Ids] = [nearest.tracks[row, place], prior.tracks.items, of_artists.values]
        every = Ragged.from_pairs(np.concatenate(rows), np.concatenate(tracks), len(nearest.tracks))
        return distinct_in_rows(every.offsets, every.values, len(self.scorer.vectors))[0]
