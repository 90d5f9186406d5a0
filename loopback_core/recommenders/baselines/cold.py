"""Tracks without plays, by what is known of their artists."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Any, ClassVar, Self

import numpy as np

from loopback_core.data import FitData, Histories, Ids, Ragged, Ranking
from loopback_core.recommenders.baselines.baseline import Baseline
from loopback_core.recommenders.baselines.plays import Plays, plays_of_artists, spread
from loopback_core.retrieval.top_k import Scores, rank_rows, tie_order
from loopback_core.tasks.task import Task


class ByArtist(Baseline):
    """Scores a candidate as its artist is scored. Tracks of artists that the fit data does not know are never recommended."""

    answers = frozenset({"cold_start"})

    def fit_for(self, task: Task) -> Self:
        """Learn of the artists, and keep the artist of every candidate."""
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

    def rank(self, prepared: Any, k: int, exclude: Ragged | None) -> Ranking:
        """See :meth:`Baseline.rank`."""
        return rank_rows(self._candidates(self.artists(prepared)), len(prepared), k, self._tie_rank, exclude)

    def _candidates(self, rows: Iterable[Scores]) -> Iterator[tuple[Ids, Scores]]:
        artist = self._candidate_artist[self._known]
        for of_artist in rows:
            scores = of_artist[artist]
            positive = scores > 0
            yield self._known[positive], scores[positive]

    @abstractmethod
    def artists(self, prepared: Any) -> Iterable[Scores]:
        """For each history the score of every artist, (n_artists,)."""


class SameArtist(ByArtist):
    """New tracks of the artists that the user plays: the user's decayed plays of the artist."""

    id = "same_artist"
    colour = "#8d6bf0"
    ranking_only = frozenset({"half_life_days"})
    grid: ClassVar = {"half_life_days": (30, 7, 14, 60, 120, 365)}

    def __init__(self, half_life_days: float = 30, seed: int = 0) -> None:
        super().__init__(seed)
        self.half_life_days = half_life_days

    def prepare(self, histories: Histories) -> Plays:
        """See :meth:`Baseline.prepare`."""
        return plays_of_artists(histories, self._catalog)

    def artists(self, prepared: Plays) -> Iterable[Scores]:
        """See :class:`ByArtist`."""
        return spread(
            prepared.items, prepared.decayed_without_the_lightest(self.half_life_days), self._catalog.n_artists
        )


class ArtistPopularity(ByArtist):
    """New tracks of the artists with the most listeners."""

    id = "artist_popularity"
    colour = "#4c6ef5"

    def artists(self, prepared: Histories) -> Iterable[Scores]:
        """See :class:`ByArtist`."""
        return repeat(self._catalog.artist_listeners.astype(np.float64), len(prepared))
