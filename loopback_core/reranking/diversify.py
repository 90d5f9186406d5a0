"""Orders of candidates that trade relevance for diversity, by one dial."""

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Floats, Ids
from loopback_core.settings import RerankingMethod

OWN_PART = 0.01
"""Of the squared length of a vector: what a track of a determinantal point process has with no other in common."""


def diversified(vectors: Floats, scores: Floats, diversity: float, method: RerankingMethod, places: int) -> Ids:
    """The candidates in a new order, as positions, (n,).

    mmr: maximal marginal relevance (Carbonell & Goldstein 1998). dpp: greedy maximum of a determinantal point process (Chen et
    al. 2018). Both read scores on a scale from 0, the worst, to 1, so that the dial means the same for every list.

    vectors: (n, D) of unit norm. scores: (n,) descending. diversity: from 0, the order as it is, to 1. places: so many are chosen one
    by one; after them come the others as they were.
    """
    from pyversity import dpp, mmr

    n, relevance = len(scores), relevance_of(scores)
    if diversity == 0 or relevance is None:
        return np.arange(n)
    reorder = mmr if method == "mmr" else dpp
    if (
        method == "dpp"
    ):  # a part of its own for each track: of copies no kernel has full rank, and its greedy maximum overflows
        own = np.sqrt(np.float32(OWN_PART)) * np.eye(n, dtype=np.float32)
        vectors = np.concatenate([np.sqrt(np.float32(1 - OWN_PART)) * vectors, own], axis=1)
    return then_the_rest(reorder(vectors, relevance, min(places, n), diversity=diversity).indices, n)


def then_the_rest(first: NDArray[np.integer], n: int) -> Ids:
    """All of n positions: those chosen, then the others in their order."""
    left = np.ones(n, np.bool_)
    left[first] = False
    return np.concatenate([first.astype(np.int64), np.flatnonzero(left)])


def relevance_of(scores: Floats) -> Floats | None:
    """Scores, (n,), on a scale from 0 to 1; None where all are the same, so that nothing can be traded."""
    spread = np.ptp(scores) if len(scores) else 0
    return (scores - scores.min()) / spread if spread > 0 else None
