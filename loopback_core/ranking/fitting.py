"""The ranker of a task, fitted on requests of validation."""

import logging

import numpy as np
from threadpoolctl import threadpool_limits

from loopback_core.ranking.linear_ranker import FEATURES, PRODUCT, TOWERS_ALONE, LinearRanker, popular
from loopback_core.ranking.listwise import Bounds, FeatureWeights, FitRequests, ListwiseLoss, fit_listwise, scale_of
from loopback_core.ranking.terms import ARTIST_TERMS, TERMS

log = logging.getLogger("loopback")

MOMENTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
"""Shares of validation that are history at the moment of a request. The towers, the related artists and the neighbours
were learned on train: what has seen the label is overrated. Where the parts of a split overlap in time, only the first."""

REQUESTS = 2_000
"""FitRequests at most, over all moments."""

STRENGTHS = (1.0, 0.3, 0.1, 0.03, 0.01)
"""Of the L2 penalty, which are compared by the loss on users that were not fitted on."""

FOLDS = 3

ROUGHLY = 1e-4
"""The tolerance of fits that are only compared with each other: they take a third of the time, and the choice is the same."""


def fit_ranker(task: str, requests: FitRequests, seed: int) -> LinearRanker:
    """The weights of a task with the least loss over its requests; without any, the towers alone.

    seed: of the users of a fold. One thread of the BLAS: products with so few columns wait for a second one longer than
    they compute, and the last digits of their sums depend on how many there are.
    """
    if not len(requests):
        return TOWERS_ALONE
    spread = requests.spread()
    with threadpool_limits(1, "blas"):
        strength, bounds = _chosen(requests, spread, seed)
        standard = fit_listwise(requests, spread, bounds, strength, np.zeros(len(FEATURES)))
    weights = (standard * scale_of(spread)).tolist()
    log.info("%s: %d requests, L2 %g, %d features", task, len(requests), strength, np.count_nonzero(standard))
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


def _chosen(requests: FitRequests, spread: FeatureWeights, seed: int) -> tuple[float, Bounds]:
    """The L2 penalty, and with it whether optional terms are read, with the least mean loss on users that were not
    fitted on; of few users the strongest, without those terms."""
    free = sign_bounds()
    every = [(strength, bounds) for bounds in (_without_optional(free), free) for strength in STRENGTHS]
    users = np.unique(requests.user)
    if len(users) < 2 * FOLDS:
        return every[0]
    fold_of_user = np.random.default_rng(seed).permutation(len(users)) % FOLDS
    fold = fold_of_user[np.searchsorted(users, requests.user)]
    losses = np.zeros(len(every))
    for number in range(FOLDS):
        inside, outside = requests.where(fold != number), ListwiseLoss(requests.where(fold == number))
        standard = np.zeros(len(FEATURES))
        for place, (strength, bounds) in enumerate(every):  # each search begins where the one before it ended
            standard = fit_listwise(inside, spread, bounds, strength, standard, ROUGHLY)
            losses[place] += outside(standard * scale_of(spread))[0]
    return every[int(np.argmin(losses))]
