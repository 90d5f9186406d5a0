"""More of the artists that the user has been playing: hard to beat in music."""

from collections.abc import Iterator
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import FitData, Histories, Ids, Ragged
from loopback_core.evaluation.baselines.baseline import Baseline, decay
from loopback_core.recommender import Ranking
from loopback_core.retrieval.ranking import rank_rows, tie_order


class RecentArtist(Baseline):
    """Score = the user's decayed plays of the track's artist × the track's listeners (or plays) ** power."""

    id = "recent_artist"
    asked_only = frozenset({"half_life_days"})
    grid: ClassVar = {
        "counts": ("listeners", "plays"),
        "half_life_days": (7, 14, 30, 60),
        "power": (0.25, 0.5, 0.75, 1.0),
    }

    def __init__(
        self,
        counts: Literal["listeners", "plays"] = "listeners",
        half_life_days: float = 14,
        power: float = 0.5,
        seed: int = 0,
    ) -> None:
        super().__init__(seed)
        self.counts: Literal["listeners", "plays"] = counts
        self.half_life_days = half_life_days
        self.power = power

    def fit(self, data: FitData) -> Self:
        """Learn the artist and the popularity of every track."""
        self._catalog = data.catalog
        counts = data.catalog.listeners if self.counts == "listeners" else data.catalog.plays
        self._popularity = counts.astype(np.float64) ** self.power
        self._tie_rank = tie_order(data.catalog.n_tracks, self.seed)
        return self

    def recommend(self, histories: Histories, k: int, exclude: Ragged | None) -> Ranking:
        """The k best tracks by the artists in each history."""
        return rank_rows(self._candidates(histories), len(histories), k, self._tie_rank, exclude)

    def _candidates(self, histories: Histories) -> Iterator[tuple[Ids, NDArray[np.float64]]]:
        """Row by row the tracks of the user's artists and their scores."""
        catalog = self._catalog
        for row in range(len(histories)):
            one = histories.rows(row, row + 1)
            known = one.tracks.values < catalog.n_tracks
            weight = decay(one.ages[known], self.half_life_days)
            artists, artist = np.unique(catalog.artist[one.tracks.values[known]], return_inverse=True)
            affinity = np.bincount(artist, weight, minlength=len(artists))
            tracks = catalog.tracks_of_artist.take(artists.astype(np.int64))
            scores = np.repeat(affinity, tracks.lengths) * self._popularity[tracks.values]
            positive = scores > 0
            yield tracks.values[positive], scores[positive]
