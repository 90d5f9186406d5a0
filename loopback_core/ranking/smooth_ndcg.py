"""nDCG@k made smooth, so that weights can be fitted to it."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from loopback_core.data import Floats
from loopback_core.ranking.listwise import FeatureWeights
from loopback_core.ranking.rank_requests import RankRequests
from loopback_core.tasks.metrics import ideal_gain

SLOPE = 4.0
"""Of the sigmoid of a difference of scores: at 1 the places are blurred, and with a steep one hardly a pair has a gradient."""


class SmoothNdcg:
    """1 - the mean over requests of an approximate nDCG@k (ApproxNDCG: Qin et al. 2010).

    The place of a positive is 1 + the sum over the other candidates of the sigmoid of how far each is above it; beyond k
    its gain fades by a sigmoid of the place. Not convex: where a search ends depends on where it begins.
    """

    def __init__(self, requests: RankRequests, x: Floats, k: int = 10) -> None:
        """x: (n, F) features of the candidates, of which the score is a weighted sum."""
        self._x, self._k = x, k
        n, width = len(requests), int(requests.lengths.max())
        starts = np.cumsum(requests.lengths) - requests.lengths
        self._row = np.repeat(np.arange(n), requests.lengths)
        self._column = np.arange(len(x)) - starts[self._row]
        self._shape = n, width
        positive = np.flatnonzero(requests.is_positive)
        self._positive_row, self._positive_column = self._row[positive], self._column[positive]
        self._share = 1 / ideal_gain(requests.n_positives, k)[self._positive_row] / n

    def __call__(self, weights: FeatureWeights) -> tuple[float, FeatureWeights]:
        """The loss and its gradient at some weights, (F,)."""
        scores = np.full(self._shape, -np.inf, np.float32)
        scores[self._row, self._column] = self._x @ weights.astype(np.float32)
        row, column = self._positive_row, self._positive_column
        each = np.arange(len(row))
        above = expit(np.float32(SLOPE) * (scores[row] - scores[row, column][:, None]))
        above[each, column] = 0
        place = 1 + above.sum(axis=1, dtype=np.float64)
        discount, inside = 1 / np.log2(1 + place), expit(self._k + 0.5 - place)
        gain = self._share * discount * inside
        by_place = -gain * (1 - inside + discount / ((1 + place) * np.log(2)))
        slope = above * (1 - above) * (SLOPE * by_place[:, None]).astype(np.float32)
        by_score = np.zeros(self._shape, np.float32)
        by_score[row, column] = slope.sum(axis=1)
        by_score -= _sums(slope, row, self._shape[0])
        gradient = by_score[self._row, self._column] @ self._x
        return 1 - float(gain.sum()), gradient.astype(np.float64)


def _sums(values: Floats, row: NDArray[np.int64], n: int) -> Floats:
    """(n, columns): the sums of the rows of values, (m, columns), of each of n groups. row: (m,) ascending group numbers."""
    first = np.flatnonzero(np.diff(row, prepend=-1))
    sums = np.zeros((n, values.shape[1]), np.float32)
    if len(first):
        sums[row[first]] = np.add.reduceat(values, first, axis=0)
    return sums
