"""What the user played before, again: two plays in three are repeats."""

from abc import abstractmethod
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import SECONDS_PER_DAY, FitData, Histories, Ids, Ragged
from loopback_core.evaluation.baselines.baseline import REPEATS_ALLOWED, Baseline, decay
from loopback_core.recommender import Ranking
from loopback_core.retrieval.ranking import tie_order, top_k_sparse


class Personal(Baseline):
    """Ranks the catalog tracks in the user's own history by :meth:`score`."""

    answers = REPEATS_ALLOWED  # elsewhere nothing that the user played is a candidate

    @abstractmethod
    def score(self, age: Ids, pair: Ids, n_pairs: int) -> NDArray[np.float64]:
        """The score of every (user, track) pair, (n_pairs,).

        age: (listens,) seconds from the listen to now. pair: (listens,) the number of the pair that the listen is of.
        """

    def fit(self, data: FitData) -> Self:
        """Only the size of the catalog is learned: all else is in the histories."""
        self._tie_rank = tie_order(data.catalog.n_tracks, self.seed)
        return self

    def recommend(self, histories: Histories, k: int, exclude: Ragged | None) -> Ranking:
        """The k best tracks of each history."""
        n_tracks = len(self._tie_rank)
        known = histories.tracks.values < n_tracks
        keys = (histories.tracks.row_numbers() * n_tracks + histories.tracks.values)[known]
        pairs, pair = np.unique(keys, return_inverse=True)
        scores = self.score(histories.ages[known], pair, len(pairs))
        positive = scores > 0
        pairs, scores = pairs[positive], scores[positive]
        candidates = Ragged.from_pairs(pairs // n_tracks, pairs % n_tracks, len(histories))
        return top_k_sparse(candidates, scores, k, self._tie_rank, exclude)


class PersonalMostPlayed(Personal):
    """Most often."""

    id = "personal_most_played"

    def score(self, age: Ids, pair: Ids, n_pairs: int) -> NDArray[np.float64]:
        """Listens."""
        return np.bincount(pair, minlength=n_pairs).astype(np.float64)


class PersonalMostRecent(Personal):
    """Most recently."""

    id = "personal_most_recent"

    def score(self, age: Ids, pair: Ids, n_pairs: int) -> NDArray[np.float64]:
        """1 / (1 + days since the last listen)."""
        last = np.zeros(n_pairs)
        np.maximum.at(last, pair, 1 / (1 + age / SECONDS_PER_DAY))
        return last


class PersonalDecayed(Personal):
    """Often and recently."""

    id = "personal_decayed"
    grid: ClassVar = {"half_life_days": (3, 7, 14, 30, 60, 120)}

    def __init__(self, half_life_days: float = 30, seed: int = 0) -> None:
        super().__init__(seed)
        self.half_life_days = half_life_days

    def score(self, age: Ids, pair: Ids, n_pairs: int) -> NDArray[np.float64]:
        """Sum over the listens of 0.5 ** (age / half-life)."""
        return np.asarray(np.bincount(pair, decay(age, self.half_life_days), minlength=n_pairs), np.float64)
