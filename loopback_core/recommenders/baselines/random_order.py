"""A random recommender, to check the closed form of `random`."""

from typing import Self

import numpy as np

from loopback_core.data import FitData, Histories, Ragged, Ranking
from loopback_core.recommenders.baselines.baseline import Baseline
from loopback_core.retrieval.top_k import no_ranking


class RandomOrder(Baseline):
    """Every order of the candidates is equally likely; one seed gives a user one order."""

    id = "random_order"  # 'random' in a report is the closed form

    def fit(self, data: FitData) -> Self:
        """Only the size of the catalog is learned."""
        self._n_tracks = data.catalog.n_tracks
        return self

    def rank(self, histories: Histories, k: int, exclude: Ragged | None) -> Ranking:
        """K candidates; the score is 1 / rank."""
        ranking, left_out = no_ranking(len(histories), k), np.zeros(self._n_tracks, np.bool_)
        for row, user in enumerate(histories.users):
            out = exclude[row][exclude[row] < self._n_tracks] if exclude is not None else np.zeros(0, np.int64)
            # Enough distinct tracks in random order: what is left of them without the excluded is random too.
            drawn = np.random.default_rng((self.seed, int(user) + 1)).choice(
                self._n_tracks, min(k + len(out), self._n_tracks), replace=False
            )
            left_out[out] = True
            tracks = drawn[~left_out[drawn]][:k]
            left_out[out] = False
            ranking.tracks[row, : len(tracks)] = tracks
            ranking.scores[row, : len(tracks)] = 1 / np.arange(1, len(tracks) + 1)
        return ranking
