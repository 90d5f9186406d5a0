"""Orders of candidates that keep tracks with near vectors apart, by one dial."""

import numpy as np

from loopback_core.data import Floats, Ids
from loopback_core.reranking.relevance import relevance_of, then_the_rest
from loopback_core.settings import RerankingMethod

OWN_PART = 0.01
"""Of the squared length of a vector: what a track of a determinantal point process has with no other in common."""


def diversified(vectors: Floats, scores: Floats, diversity: float, method: RerankingMethod, places: int) -> Ids:
    """The candidates in a new order, as positions, (n,).

    mmr: maximal marginal relevance (Carbonell & Goldstein 1998), with scores on a scale from 0, the worst, to 1. dpp: greedy
    maximum of a determinantal point process (Chen et al. 2018), whose weights are exp((1 - diversity) * z), z the standardised
    scores. So the dial does not depend on the scale of the scores. Similarities are cosines, those below 0 count as 0 in mmr.

    vectors: (n, D) of unit norm. scores: (n,) descending. diversity: from 0, the order as it is, to 1. places: so many are chosen one
    by one; after them come the others as they were.
    """
    from pyversity import dpp, mmr

    n = len(scores)
    if diversity == 0 or n < 2:
        return np.arange(n)
    relevance, reorder = relevance_of(scores), mmr if method == "mmr" else dpp
    if (
        method == "dpp"
    ):  # a part of its own for each track: of copies no kernel has full rank, and its greedy maximum overflows
        own = np.sqrt(np.float32(OWN_PART)) * np.eye(n, dtype=np.float32)
        vectors = np.concatenate([np.sqrt(np.float32(1 - OWN_PART)) * vectors, own], axis=1)
    return then_the_rest(reorder(vectors, relevance, min(places, n), diversity=diversity).indices, n)
