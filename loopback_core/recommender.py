"""The one interface that the towers and every baseline obey."""

from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

from loopback_core.data import FitData, Floats, Histories, Ids, Ragged

NOTHING = -1
"""Stands in a ranking where a recommender had nothing more to say."""


@dataclass(frozen=True)
class Ranking:
    """Recommended tracks, best first. A list shorter than k ends in NOTHING with score -inf: it is never padded."""

    tracks: Ids  # (rows, k)
    scores: Floats  # (rows, k)


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
