"""Calibrated recommendations: the artists of a list in the shares that they have in the history."""

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Floats, Ids
from loopback_core.reranking.relevance import relevance_of, then_the_rest

SMOOTHING = 0.01
"""Share of the taste that is mixed into that of the list, so that an artist who is missing costs a finite amount."""


def calibrated(
    artists: NDArray[np.integer],
    scores: Floats,
    taste_artists: NDArray[np.integer],
    taste: NDArray[np.float64],
    diversity: float,
    places: int,
) -> Ids:
    """The positions of the candidates in a new order, (n,): so many places chosen one by one, then the others as they were.

    Each next one is the candidate for which (1 - diversity) * its score - diversity * KL(taste || artists of the list) is
    largest (Steck, RecSys 2018). Scores are read on a scale from 0 to 1.

    artists: (n,) of the candidates. scores: (n,) descending. taste_artists: (m,) distinct. taste: (m,) their shares, adding up
    to 1. diversity: from 0, the order as it is, to 1.
    """
    n = len(scores)
    # The part of all other artists in the divergence is the same for every list.
    of_candidates = np.isin(taste_artists, artists)
    taste_artists, taste = taste_artists[of_candidates], taste[of_candidates]
    if diversity == 0 or n < 2 or not len(taste):
        return np.arange(n)
    relevance = relevance_of(scores)
    order = np.argsort(taste_artists, kind="stable")
    place = np.minimum(np.searchsorted(taste_artists[order], artists), len(order) - 1)
    column = np.where(taste_artists[order][place] == artists, order[place], -1)  # of the candidate in the taste
    counts, left, chosen = np.zeros(len(taste)), np.ones(n, np.bool_), []
    for size in range(1, min(places, n) + 1):
        # Adding a candidate changes the share of one artist only: the others are the same for all candidates.
        before = _cost(taste, counts, size)
        gain = _cost(taste, counts + 1, size) - before
        divergence = before.sum() + np.where(column >= 0, gain[np.maximum(column, 0)], 0.0)
        value = np.where(left, (1 - diversity) * relevance - diversity * divergence, -np.inf)
        best = int(np.argmax(value))
        chosen.append(best)
        left[best] = False
        if column[best] >= 0:
            counts[column[best]] += 1
    return then_the_rest(np.array(chosen, np.int64), n)


def _cost(taste: NDArray[np.float64], counts: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """The part of each artist in the Kullback-Leibler divergence, where `counts` of `size` tracks are theirs."""
    of_list = (1 - SMOOTHING) * counts / size + SMOOTHING * taste
    cost: NDArray[np.float64] = taste * np.log(taste / of_list)
    return cost
