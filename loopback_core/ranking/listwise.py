"""A linear model of which candidates of a request are played."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Floats, Ids

FeatureWeights = NDArray[np.float64]

CONSTANT = 1e-6
"""A feature that varies by no more than this within any request orders nothing, and has no weight."""


@dataclass(frozen=True)
class FitRequests:
    """FitRequests with the features of their candidates; those of one request after those of the other."""

    features: Floats  # (n, F)
    lengths: Ids  # (requests,) candidates of each, at least one of them a positive
    is_positive: NDArray[np.bool_]  # (n,)
    user: Ids  # (requests,) dense id

    def __len__(self) -> int:
        return len(self.user)

    def where(self, rows: NDArray[np.bool_]) -> "FitRequests":
        """Some of the requests. rows: (requests,)."""
        if rows.all():
            return self
        inside = np.repeat(rows, self.lengths)
        return FitRequests(self.features[inside], self.lengths[rows], self.is_positive[inside], self.user[rows])

    def spread(self) -> FeatureWeights:
        """The standard deviation of each feature within a request, (F,)."""
        return spread_within(self.features, self.lengths)


def spread_within(features: Floats, lengths: Ids) -> FeatureWeights:
    """The standard deviation of each feature within a request, (F,). features: (n, F). lengths: (requests,)."""
    ends = np.cumsum(lengths)
    variance = np.zeros(features.shape[1])
    for start, end in zip(ends - lengths, ends, strict=True):
        variance += features[start:end].var(axis=0, dtype=np.float64)
    return np.sqrt(variance / max(len(lengths), 1))


class ListwiseLoss:
    """The mean over requests and their positives of -log softmax of the positive among all that are no positives.

    The other positives of the request are left out of the sum of each: a list needs all of them, and one that is already
    high is no reason to lower another. Convex in the weights.
    """

    def __init__(self, requests: FitRequests) -> None:
        self.x, self.lengths = requests.features, requests.lengths
        self.starts = np.cumsum(self.lengths) - self.lengths
        self.positives = np.flatnonzero(requests.is_positive)
        self.request = np.repeat(np.arange(len(requests)), self.lengths)[self.positives]  # of each positive
        hits = np.bincount(self.request, minlength=len(requests))
        self.share = (1 / hits[self.request] / len(requests)).astype(np.float32)  # of each positive

    def __call__(self, weights: FeatureWeights) -> tuple[float, FeatureWeights]:
        """The loss and its gradient at some weights, (F,)."""
        scores = self.x @ weights.astype(np.float32)
        of_positives = scores[self.positives]
        scores[self.positives] = -np.inf
        largest = np.maximum(np.maximum.reduceat(scores, self.starts), np.finfo(np.float32).min)  # of the negatives
        likely = np.exp(scores - self._spread(largest))  # 0 for positives
        total = np.maximum(np.add.reduceat(likely, self.starts), np.finfo(np.float32).tiny)
        gap = (largest + np.log(total))[self.request] - of_positives
        losses = np.logaddexp(0, gap)
        missed = self.share * np.exp(gap - losses)  # by each positive, of the softmax
        of_requests = np.bincount(self.request, missed, len(self.lengths)).astype(np.float32)
        slope: Floats = likely * self._spread((of_requests / total).astype(np.float32))
        slope[self.positives] = -missed
        return float((self.share * losses).sum(dtype=np.float64)), (slope @ self.x).astype(np.float64)

    def _spread(self, of_requests: Floats) -> Floats:
        """(requests,) -> (n,)."""
        return np.repeat(of_requests, self.lengths)


@dataclass(frozen=True)
class Bounds:
    """The smallest and the largest weight of every feature, (F,) each."""

    low: FeatureWeights
    high: FeatureWeights


TOLERANCE = 1e-6
"""Of a step: the share of the loss that it has to gain for the search to go on."""


def minimum(
    loss: Callable[[FeatureWeights], tuple[float, FeatureWeights]],
    spread: FeatureWeights,
    bounds: Bounds,
    strength: float,
    start: FeatureWeights,
    tolerance: float = TOLERANCE,
    centre: FeatureWeights | None = None,
) -> FeatureWeights:
    """The weights of standardised features, (F,), that minimise a loss + strength / 2 * their squared distance from `centre`.

    loss: of the weights of features, (F,); with its gradient. spread: (F,) from :func:`spread_within`. start: (F,) where the search
    (L-BFGS-B: Byrd et al. 1995) begins. centre: (F,); None: zeros.
    """
    from scipy.optimize import minimize

    scale = scale_of(spread)
    origin = np.zeros(len(spread)) if centre is None else centre

    def objective(standard: FeatureWeights) -> tuple[float, FeatureWeights]:
        value, gradient = loss(standard * scale)
        moved = standard - origin
        return value + strength / 2 * float(moved @ moved), gradient * scale + strength * moved

    bounded = np.stack([bounds.low, bounds.high], axis=1)
    options = {"maxiter": 200, "ftol": tolerance}
    best: FeatureWeights = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounded, options=options).x
    return best


def scale_of(spread: FeatureWeights) -> FeatureWeights:
    """What turns weights of standardised features into those of the features, (F,)."""
    return np.where(spread > CONSTANT, 1 / np.maximum(spread, CONSTANT), 0.0)
