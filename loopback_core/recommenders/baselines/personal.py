"""Baselines that recommend what the user played before: two plays in three are repeats."""

from abc import abstractmethod
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import SECONDS_PER_DAY, FitData, Histories, Ragged, Ranking
from loopback_core.recommenders.baselines.baseline import REPEATS_ALLOWED, Baseline
from loopback_core.recommenders.baselines.plays import Plays, plays_of_tracks
from loopback_core.retrieval.top_k import tie_order, top_k_sparse


class Personal(Baseline):
    """Ranks the catalog tracks in the user's own history by :meth:`score`."""

    answers = REPEATS_ALLOWED  # in the other tasks no track that the user played is a candidate

    @abstractmethod
    def score(self, plays: Plays) -> NDArray[np.float64]:
        """The score of every track of every history, aligned with plays.items.values."""

    def fit(self, data: FitData) -> Self:
        """Only the size of the catalog is learned: everything else is in the histories."""
        self._tie_rank = tie_order(data.catalog.n_tracks, self.seed)
        return self

    def prepare(self, histories: Histories) -> Plays:
        """See :meth:`Baseline.prepare`."""
        return plays_of_tracks(histories, len(self._tie_rank))

    def rank(self, prepared: Plays, k: int, exclude: Ragged | None) -> Ranking:
        """See :meth:`Baseline.rank`."""
        scores = self.score(prepared)
        heard = np.where(scores > 0, scores, -np.inf)  # a weight may underflow to 0
        return top_k_sparse(prepared.items, heard, k, self._tie_rank, exclude)


class PersonalMostPlayed(Personal):
    """Most often."""

    id = "personal_most_played"
    colour = "#2f9e44"

    def score(self, plays: Plays) -> NDArray[np.float64]:
        """Listens."""
        return plays.count()


class PersonalMostRecent(Personal):
    """Most recently."""

    id = "personal_most_recent"
    colour = "#6a9a10"

    def score(self, plays: Plays) -> NDArray[np.float64]:
        """1 / (1 + days since the last listen)."""
        last = np.zeros(len(plays.items.values))
        np.maximum.at(last, plays.place, 1 / (1 + plays.age / SECONDS_PER_DAY))
        return last


class PersonalDecayed(Personal):
    """Often and recently."""

    id = "personal_decayed"
    colour = "#0b9470"
    ranking_only = frozenset({"half_life_days"})
    grid: ClassVar = {"half_life_days": (3, 7, 14, 30, 60, 120)}

    def __init__(self, half_life_days: float = 30, seed: int = 0) -> None:
        super().__init__(seed)
        self.half_life_days = half_life_days

    def score(self, plays: Plays) -> NDArray[np.float64]:
        """Sum over the listens of 0.5 ** (age / half-life)."""
        return plays.decayed(self.half_life_days)
