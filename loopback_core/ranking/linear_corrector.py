"""Other weights for the best candidates alone, so that the lists below them stay as they are."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

from loopback_core.data import Floats
from loopback_core.ranking.best_candidates import BestCandidates
from loopback_core.ranking.linear_ranker import FEATURES, LinearRanker


@dataclass(frozen=True)
class LinearCorrector:
    """score = linear score + a weighted sum of its features, for the `places` best candidates by the linear score."""

    added: LinearRanker
    places: int

    @classmethod
    def between(cls, linear: LinearRanker, moved: LinearRanker, places: int) -> Self:
        """The one that gives the best candidates of `linear` the order of `moved`."""
        differences = moved.of_features(FEATURES) - linear.of_features(FEATURES)
        return cls(LinearRanker.of(dict(zip(FEATURES, differences.tolist(), strict=True))), places)

    def corrected(self, best: BestCandidates, vectors: Floats) -> Floats:
        """See :class:`loopback_core.ranking.corrector.Corrector`."""
        corrected: Floats = best.scores + best.linear_features() @ self._weights
        return corrected

    @cached_property
    def _weights(self) -> Floats:
        return self.added.of_features(FEATURES)
