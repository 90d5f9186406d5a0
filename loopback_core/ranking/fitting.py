"""The ranker of a task, fitted on requests of validation."""

import logging
from dataclasses import dataclass, field

import numpy as np
from threadpoolctl import threadpool_limits

from loopback_core.data import Ids
from loopback_core.ranking.linear_ranker import FEATURES, PRODUCT, TOWERS_ALONE, LinearRanker, popular
from loopback_core.ranking.listwise import (
    CONSTANT,
    TOLERANCE,
    Bounds,
    FeatureWeights,
    FitRequests,
    ListwiseLoss,
    minimum,
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
"""The same, of a penalty on the distance from the weights of an earlier ranker: the largest leaves these as they are.

The earlier weights were fitted on much the same users and time, those of the fold too, so the comparison favours them: weights that stay are
preferred, not measured to be better.
"""

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
        """See :func:`minimum` and :class:`ListwiseLoss`."""
        return minimum(ListwiseLoss(requests), spread, self.bounds, self.strength, start, tolerance, self.centre)


@dataclass(frozen=True)
class LinearFit:
    """A ranker, and those that were fitted the same way without some of the users."""

    ranker: LinearRanker
    users: Ids = field(default_factory=lambda: np.zeros(0, np.int64))  # ascending dense ids of those it was fitted on
    fold: Ids = field(default_factory=lambda: np.zeros(0, np.int64))  # of each of them
    without_fold: tuple[LinearRanker, ...] = ()  # fold -> fitted on the users of the others; empty: too few users

    def fold_of(self, users: Ids, rng: np.random.Generator) -> Ids:
        """(len(users),): the fold of each of these distinct users; any, drawn, of those whom no fit has seen."""
        drawn = rng.permutation(len(users)) % FOLDS
        if not len(self.users):
            return drawn
        place = np.minimum(np.searchsorted(self.users, users), len(self.users) - 1)
        return np.where(self.users[place] == users, self.fold[place], drawn)


def fit_ranker(task: str, requests: FitRequests, seed: int, earlier: LinearRanker | None = None) -> LinearFit:
    """The weights of a task with the least loss over its requests; without any, the earlier ones or the towers alone.

    seed: of the users of a fold. earlier: a ranker of the same task that was fitted on an earlier part of the log. Its weights
    tell what the requests of then said, so these need not be learned anew from those of now: without it, what is served would
    change from one retrain to the next by as much as two samples of users differ. One thread of the BLAS: products with so few
    columns wait for a second one longer than they compute, and the last digits of their sums depend on how many there are.
    """
    if not len(requests):
        return LinearFit(earlier or TOWERS_ALONE)
    spread = requests.spread()
    unscaled = np.zeros(len(FEATURES)) if earlier is None else earlier.of_features(FEATURES).astype(np.float64)
    with threadpool_limits(1, "blas"):
        penalties = _penalties(None if earlier is None else unscaled * spread)
        users, user = np.unique(requests.user, return_inverse=True)
        fold = np.random.default_rng(seed).permutation(len(users)) % FOLDS
        chosen, of_folds = _chosen(requests, spread, penalties, fold[user])
        standard = chosen.fit(requests, spread, chosen.centre)
    stays = bool(chosen.centre.any())

    def ranker_of(standard: FeatureWeights) -> LinearRanker:
        # Of a feature that orders nothing now the requests say nothing, and an earlier weight stays.
        weights = np.where(spread > CONSTANT, standard * scale_of(spread), unscaled if stays else 0.0).tolist()
        of_features = (dict(zip(FEATURES, values, strict=True)) for values in (weights, standard))
        ranker = LinearRanker.of(*of_features)
        return ranker if ranker.weights else TOWERS_ALONE

    around, found = " around the earlier weights" if stays else "", np.count_nonzero(standard)
    log.info("%s: %d requests, L2 %g%s, %d features", task, len(requests), chosen.strength, around, found)
    return LinearFit(ranker_of(standard), users, fold, tuple(map(ranker_of, of_folds)))


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


def bounds_of(ranker: LinearRanker) -> Bounds:
    """Those of weights near a ranker: where it does without the optional terms they do too."""
    return sign_bounds() if ranker.of_features(_OPTIONAL).any() else _without_optional(sign_bounds())


_OPTIONAL = [name for term in TERMS if term.optional for name in term.features]


def _without_optional(bounds: Bounds) -> Bounds:
    """The same, with weights of 0 for the features of the optional terms."""
    is_free = ~np.isin(FEATURES, _OPTIONAL)
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


def _chosen(
    requests: FitRequests, spread: FeatureWeights, penalties: list[Penalty], fold: Ids
) -> tuple[Penalty, list[FeatureWeights]]:
    """The penalty with the least mean loss on users that were not fitted on, and its rough fits without each fold; of few users
    the first, and none. fold: (requests,), that of its user.
    """
    if len(np.unique(requests.user)) < 2 * FOLDS:
        return penalties[0], []
    losses = np.zeros(len(penalties))
    fits: list[list[FeatureWeights]] = [[] for _ in penalties]
    for number in range(FOLDS):
        inside, outside = requests.where(fold != number), ListwiseLoss(requests.where(fold == number))
        standard = penalties[0].centre
        for place, penalty in enumerate(penalties):  # each search begins where the one before it ended
            standard = penalty.fit(inside, spread, np.clip(standard, penalty.bounds.low, penalty.bounds.high), ROUGHLY)
            losses[place] += outside(standard * scale_of(spread))[0]
            fits[place].append(standard)
    best = int(np.argmin(losses))
    return penalties[best], fits[best]
