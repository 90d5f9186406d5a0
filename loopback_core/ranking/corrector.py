"""The second stage of the cascade: what corrects the linear score of the best candidates."""

from typing import Protocol

from loopback_core.data import Floats
from loopback_core.ranking.best_candidates import BestCandidates


class Corrector(Protocol):
    """Corrects the linear scores of the `places` best candidates of each request."""

    @property
    def places(self) -> int:
        """How many of the best candidates it puts in order; those after them stay in theirs."""
        ...

    def corrected(self, best: BestCandidates, vectors: Floats) -> Floats:
        """(n,) float32: the corrected scores of the candidates. vectors: (n_tracks, D) of the catalog, of unit norm."""
        ...
