"""More of the artists that the user has been playing: a strong baseline for music."""

from typing import ClassVar, Literal, Self

from loopback_core.data import FitData, Histories, Ragged, Ranking
from loopback_core.recommenders.baselines.baseline import Baseline
from loopback_core.recommenders.baselines.plays import Plays, plays_of_artists, spread
from loopback_core.recommenders.baselines.shelves import Shelves
from loopback_core.retrieval.top_k import rank_rows, tie_order


class RecentArtist(Baseline):
    """Score = the user's decayed plays of the track's artist × the track's listeners (or plays) ** power."""

    id = "recent_artist"
    colour = "#a855c7"
    ranking_only = frozenset({"half_life_days", "power"})
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
        self._shelves = Shelves(data.catalog, getattr(data.catalog, self.counts))
        self._tie_rank = tie_order(data.catalog.n_tracks, self.seed)
        return self

    def prepare(self, histories: Histories) -> Plays:
        """See :meth:`Baseline.prepare`."""
        return plays_of_artists(histories, self._catalog)

    def rank(self, prepared: Plays, k: int, exclude: Ragged | None) -> Ranking:
        """See :meth:`Baseline.rank`."""
        affinity = spread(prepared.items, prepared.decayed(self.half_life_days), self._catalog.n_artists)
        contenders = self._shelves.contenders(affinity, self.power, k, exclude)
        return rank_rows(contenders, len(prepared), k, self._tie_rank, exclude)
