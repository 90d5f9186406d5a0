"""The ranker of a task, fitted on requests of validation."""

import logging
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from loopback_core.ranking.linear_ranker import FEATURES, PRODUCT, TOWERS_ALONE, LinearRanker, popular
from loopback_core.ranking.listwise import (
    CONSTANT,
    TOLERANCE,
    Bounds,
    FeatureWeights,
    FitRequests,
    ListwiseLoss,
    fit_listwise,
    scale_of,
)
from loopback_core.ranking.terms import ARTIST_TERMS, TERMS

log = logging.getLogger("loopback")

MOMENTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
"""Shares of validation that are history at the moment of a request. The towers, the related artists and the neighbours
were learned on train: what has seen the label is overrated. Where the parts of a split overlap in time, only the first."""

REQUESTS = 2_000
"""FitRequests at most, over all moments."""

STRENGTHS = (1.0, 0.3, 0.1, 0.03, 0.01)
"""Of the L2 penalty, which are compared by the loss on users that were not fitted on."""

STRENGTHS_AROUND_EARLIER = (100.0, 10.0, 1.0, 0.1)
"""The same, of a penalty on the distance from the weights of an earlier ranker: the largest leaves these as they are."""

FOLDS = 3

ROUGHLY = 1e-4
"""The tolerance of fits that are only compared with each other: they take a third of the time, and the choice is the same."""


@dataclass(frozen=True)
class Penalty:
    """What a fit is held back by."""

    strength: float
    bounds: Bounds
    centre: FeatureWeights  # (F,) of standardised features

    def fit(
        self, requests: FitRequests, spread: FeatureWeights, start: FeatureWeights, tolerance: float = TOLERANCE
    ) -> FeatureWeights:
        """See :func:`fit_listwise`."""
        return fit_listwise(requests, spread, self.bounds, self.strength, start, tolerance, self.centre)


def fit_ranker(task: str, requests: FitRequests, seed: int, earlier: LinearRanker | None = None) -> LinearRanker:
    """The weights of a task with the least loss over its requests; without any, the earlier ones or the towers alone.

    seed: of the users of a fold. earlier: a ranker of the same task that was fitted on an earlier part of the log. Its weights
    tell what the requests of then said, so these need not be learned anew from those of now: without it, what is served would
    change from one retrain to the next by as much as two samples of users differ. One thread of the BLAS: products with so few
    columns wait for a second one longer than they compute, and the last digits of their sums depend on how many there are.
    """
    if not len(requests):
        return earlier or TOWERS_ALONE
    spread = requests.spread()
    unscaled = np.zeros(len(FEATURES)) if earlier is None else earlier.of_features(FEATURES).astype(np.float64)
    with threadpool_limits(1, "blas"):
        chosen = _chosen(requests, spread, _penalties(None if earlier is None else unscaled * spread), seed)
        standard = chosen.fit(requests, spread, chosen.centre)
    stays = bool(chosen.centre.any())
    # Of a feature that orders nothing now the requests say nothing, and an earlier weight stays.
    weights = np.where(spread > CONSTANT, standard * scale_of(spread), unscaled if stays else 0.0).tolist()
    around, found = " around the earlier weights" if stays else "", np.count_nonzero(standard)
    log.info("%s: %d requests, L2 %g%s, %d features", task, len(requests), chosen.strength, around, found)
    ranker = LinearRanker.of(dict(zip(FEATURES, weights, strict=True)), dict(zip(FEATURES, standard, strict=True)))
    return ranker if ranker.weights else TOWERS_ALONE


def sign_bounds() -> Bounds:
    """The weights that the terms and the towers allow."""
    low, high = np.full(len(FEATURES), -np.inf), np.full(len(FEATURES), np.inf)
    place = {name: number for number, name in enumerate(FEATURES)}
    low[place[PRODUCT]] = 0
    for term in TERMS:
        low[[place[name] for name in term.at_least_zero]] = 0
        high[[place[name] for name in term.at_most_zero]] = 0
    for artist_term in ARTIST_TERMS:
        products = set(artist_term.by_popularity)
        low[[place[popular(name)] for name in artist_term.at_least_zero if name in products]] = 0
        high[[place[popular(name)] for name in artist_term.at_most_zero if name in products]] = 0
    return Bounds(low, high)


def _without_optional(bounds: Bounds) -> Bounds:
    """The same, with weights of 0 for the features of the optional terms."""
    optional = {name for term in TERMS if term.optional for name in term.features}
    is_free = np.array([name not in optional for name in FEATURES])
    return Bounds(np.where(is_free, bounds.low, 0.0), np.where(is_free, bounds.high, 0.0))


def _penalties(earlier: FeatureWeights | None) -> list[Penalty]:
    """Those that are compared, the strongest of each kind first. earlier: (F,) weights of standardised features."""
    free, nothing = sign_bounds(), np.zeros(len(FEATURES))
    penalties = []
    if earlier is not None:
        within = np.clip(earlier, free.low, free.high)
        penalties = [Penalty(strength, free, within) for strength in STRENGTHS_AROUND_EARLIER]
    for bounds in (_without_optional(free), free):
        penalties += [Penalty(strength, bounds, nothing) for strength in STRENGTHS]
    return penalties


def _chosen(requests: FitRequests, spread: FeatureWeights, penalties: list[Penalty], seed: int) -> Penalty:
    """The penalty with the least mean loss on users that were not fitted on; of few users the first."""
    users = np.unique(requests.user)
    if len(users) < 2 * FOLDS:
        return penalties[0]
    fold_of_user = np.random.default_rng(seed).permutation(len(users)) % FOLDS
    fold = fold_of_user[np.searchsorted(users, requests.user)]
    losses = np.zeros(len(penalties))
    for number in range(FOLDS):
        inside, outside = requests.where(fold != number), ListwiseLoss(requests.where(fold == number))
        standard = penalties[0].centre
        for place, penalty in enumerate(penalties):  # each search begins where the one before it ended
            standard = penalty.fit(inside, spread, np.clip(standard, penalty.bounds.low, penalty.bounds.high), ROUGHLY)
            losses[place] += outside(standard * scale_of(spread))[0]
    return penalties[int(np.argmin(losses))]
