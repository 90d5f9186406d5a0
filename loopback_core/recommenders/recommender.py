"""The one interface that the towers and every baseline obey."""

from typing import Protocol, Self, runtime_checkable

from loopback_core.data import FitData, Histories, Ragged, Ranking


@runtime_checkable
class Recommender(Protocol):
    """Learns from fit data, then ranks the catalog for any history."""

    id: str

    def fit(self, data: FitData) -> Self:
        """Learn from `data`; returns itself."""
        ...

    def recommend(self, histories: Histories, k: int, exclude: Ragged | None) -> Ranking:
        """The k best catalog tracks for each history, without those in its row of `exclude`."""
        ...
