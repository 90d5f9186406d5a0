"""Tracks that nobody has played yet, by what is known of their artists."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import FitData, Histories, Ids, Ragged
from loopback_core.evaluation.baselines.baseline import Baseline, decay
from loopback_core.evaluation.baselines.matrices import by_artist, history_plays
from loopback_core.evaluation.tasks import Task
from loopback_core.recommender import Ranking
from loopback_core.retrieval.ranking import rank_rows, tie_order


class ByArtist(Baseline):
    """Scores a candidate as its artist is scored. Artists whom the fit data does not know are never recommended."""

    answers = frozenset({"cold_start"})

    def fit_for(self, task: Task) -> Self:
        """Learn of the artists, and remember whose the candidates are."""
        self._candidate_artist = task.candidate_artist
        return self.fit(task.fit)

    def fit(self, data: FitData) -> Self:
        """Learn of the artists; without :meth:`fit_for` the candidates are the catalog."""
        self._catalog = data.catalog
        if not hasattr(self, "_candidate_artist"):
            self._candidate_artist = data.catalog.artist
        self._known = np.flatnonzero(self._candidate_artist < data.catalog.n_artists)
        self._tie_rank = tie_order(len(self._candidate_artist), self.seed)
        return self

    def recommend(self, histories: Histories, k: int, exclude: Ragged | None) -> Ranking:
        """The k best candidates."""
        return rank_rows(self._candidates(histories), len(histories), k, self._tie_rank, exclude)

    def _candidates(self, histories: Histories) -> Iterator[tuple[Ids, NDArray[np.float64]]]:
        artist = self._candidate_artist[self._known]
        for row in range(len(histories)):
            scores = self.artists(histories.rows(row, row + 1))[artist]
            positive = scores > 0
            yield self._known[positive], scores[positive]

    @abstractmethod
    def artists(self, history: Histories) -> NDArray[np.float64]:
        """The score of every artist for one history, (n_artists,)."""


class SameArtist(ByArtist):
    """New tracks of the artists that the user plays: the user's decayed plays of the artist."""

    id = "same_artist"
    grid: ClassVar = {"half_life_days": (30, 7, 14, 60, 120, 365)}

    def __init__(self, half_life_days: float = 30, seed: int = 0) -> None:
        super().__init__(seed)
        self.half_life_days = half_life_days

    def artists(self, history: Histories) -> NDArray[np.float64]:
        """See :class:`ByArtist`."""
        plays = history_plays(history, self._catalog.n_tracks, decay(history.ages, self.half_life_days))
        scores: NDArray[np.float64] = by_artist(plays, self._catalog).toarray()[0].astype(np.float64)
        return scores


class ArtistPopularity(ByArtist):
    """New tracks of the artists with the most listeners."""

    id = "artist_popularity"

    def artists(self, history: Histories) -> NDArray[np.float64]:
        """See :class:`ByArtist`."""
        return self._catalog.artist_listeners.astype(np.float64)
