"""The same ranking for everyone: by listeners, by plays, by recent plays."""

from abc import abstractmethod
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import FitData, Histories, Ids, Ragged, Ranking
from loopback_core.recommenders.baselines.baseline import Baseline, decay
from loopback_core.retrieval.top_k import no_ranking, tie_order
from loopback_core.tasks.task_builders import IN_CATALOG


class Popularity(Baseline):
    """Ranks the catalog once by :meth:`popularity`; a user gets the best of it that is not excluded."""

    answers = frozenset((*IN_CATALOG, "reference_protocol"))

    @abstractmethod
    def popularity(self, data: FitData) -> NDArray[np.float64]:
        """The score of every catalog track, (n_tracks,)."""

    def fit(self, data: FitData) -> Self:
        """Rank the tracks with a positive score."""
        score = self.popularity(data)
        by_tie = np.argsort(tie_order(len(score), self.seed))
        order = by_tie[np.argsort(-score[by_tie], kind="stable")]  # two passes of lexsort would take twice the time
        self._tracks: Ids = order[score[order] > 0]
        self._scores = score[self._tracks]
        self._place = np.empty(len(score), np.int64)  # of every track; those that are never recommended come last
        self._place[order] = np.arange(len(score))
        return self

    def rank(self, histories: Histories, k: int, exclude: Ragged | None) -> Ranking:
        """The k most popular tracks that are not excluded. Costs k + the excluded per user, not the catalog."""
        ranking = no_ranking(len(histories), k)
        for row in range(len(histories)):
            out = self._places_of(exclude[row]) if exclude is not None else np.zeros(0, np.int64)
            candidate = np.ones(min(k + len(out), len(self._tracks)), np.bool_)
            candidate[out[out < len(candidate)]] = False
            place = np.flatnonzero(candidate)[:k]
            ranking.tracks[row, : len(place)] = self._tracks[place]
            ranking.scores[row, : len(place)] = self._scores[place]
        return ranking

    def _places_of(self, tracks: Ids) -> Ids:
        return self._place[tracks[tracks < len(self._place)]]


class PopularityUsers(Popularity):
    """Distinct listeners."""

    id = "popularity_users"
    colour = "#1c7ed6"

    def popularity(self, data: FitData) -> NDArray[np.float64]:
        """Users who played the track."""
        return data.catalog.listeners.astype(np.float64)


class PopularityPlays(Popularity):
    """Plays."""

    id = "popularity_plays"
    colour = "#3a93dd"

    def popularity(self, data: FitData) -> NDArray[np.float64]:
        """Listens of the track."""
        return data.catalog.plays.astype(np.float64)


class PopularityDecayed(Popularity):
    """Plays, of which old ones count less."""

    id = "popularity_decayed"
    colour = "#0e8fa8"
    grid: ClassVar = {"half_life_days": (7, 14, 30, 60, 120, 365)}

    def __init__(self, half_life_days: float = 60, seed: int = 0) -> None:
        super().__init__(seed)
        self.half_life_days = half_life_days

    def popularity(self, data: FitData) -> NDArray[np.float64]:
        """Sum over the listens of the track of 0.5 ** (age / half-life)."""
        weight = decay(data.now - data.events.timestamp, self.half_life_days)
        return np.asarray(np.bincount(data.events.track, weight, minlength=data.catalog.n_tracks), np.float64)
