"""Pages of a list with more artists: a track whose artist stands on its page already has to be better by a margin."""

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Floats, Ids
from loopback_core.reranking.relevance import relevance_of, then_the_rest

PAGE_LENGTH = 10
"""Tracks that are seen together."""


def with_artists(artists: NDArray[np.integer], scores: Floats, diversity: float, places: int) -> Ids:
    """The positions of the candidates in a new order, (n,): so many places filled page by page, then the others as they were.

    Each page is the set of PAGE_LENGTH candidates, of those that are left, with the largest sum of scores, read on a scale from 0 to 1, and of
    `diversity` for every artist among them. It is shown in the order of the scores, so what is exchanged is the end of the page,
    where an error costs least. The maximum is exact: of each artist a set holds the best candidates, and the bonus is that of the first.

    artists: (n,) of the candidates. scores: (n,) descending. diversity: from 0, the order as it is, to 1.
    """
    n = len(scores)
    if diversity == 0 or n < 2:
        return np.arange(n)
    relevance, left, chosen = relevance_of(scores), np.arange(n), np.zeros(0, np.int64)
    while len(left) and len(chosen) < places:
        value = relevance[left].astype(np.float64)
        value[np.unique(artists[left], return_index=True)[1]] += diversity  # the first of each artist
        page = np.sort(np.argsort(-value, kind="stable")[:PAGE_LENGTH])
        chosen = np.concatenate([chosen, left[page]])
        left = np.delete(left, page)
    return then_the_rest(chosen, n)
