"""A corrector with the weights of the linear ranker, moved towards the best lists of ten, where that pays for other users."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from loopback_core.data import Floats
from loopback_core.ranking.corrector_facts import RefiningFacts
from loopback_core.ranking.cross_fitting import FEWEST_USERS, error_by_users
from loopback_core.ranking.fitting import FOLDS, REQUESTS, LinearFit, bounds_of
from loopback_core.ranking.linear_corrector import LinearCorrector
from loopback_core.ranking.linear_ranker import FEATURES, LinearRanker
from loopback_core.ranking.listwise import CONSTANT, FeatureWeights, minimum, scale_of, spread_within
from loopback_core.ranking.rank_requests import RankRequests
from loopback_core.ranking.smooth_ndcg import SmoothNdcg

log = logging.getLogger("loopback")

FIRST_PLACES = 100
"""The best candidates of a request that are read, and put in order: what lies below them does not come among the first ten. Weights
that make the best lists of ten make worse ones of a hundred, so these do not choose the candidates."""

STRENGTHS_OF_MOVES = (0.1, 0.01, 0.001)
"""Of the L2 penalty on the distance from the weights of the listwise softmax, which are compared by nDCG@10 of users that were
not fitted on."""


@dataclass(frozen=True)
class Refinement:
    """The corrector, None where the linear order stays, and what was measured."""

    corrector: LinearCorrector | None
    facts: RefiningFacts


def refine_ranker(task: str, fit: LinearFit, requests: RankRequests, places: int, seed: int) -> Refinement:
    """The weights near those of a ranker with the best smooth nDCG@10, for its best candidates, if they are better for users they
    were not moved for.

    The softmax that a ranker is fitted by weighs all positives alike; of a user with hundreds of them a list of ten can hold few.
    Users of a fold are ranked by what neither the softmax nor this has fitted on them.
    requests: their candidates in the order of the ranker. places: of a request, at most FIRST_PLACES of which are read. seed: of the requests that are read, and of the folds of users whom the
    softmax was not fitted on.
    """
    rng = np.random.default_rng(seed)
    places = min(places, FIRST_PLACES)
    requests = requests.drawn(REQUESTS, rng).first(places)
    users, user = np.unique(requests.user, return_inverse=True)
    facts: RefiningFacts = {
        "requests": len(requests),
        "users": len(users),
        "places": places,
        "strength": 0.0,
        "before": 0.0,
        "difference": 0.0,
        "error": 0.0,
        "used": False,
    }
    if len(users) < FEWEST_USERS or not fit.without_fold:
        return Refinement(None, facts)
    fold = fit.fold_of(users, rng)[user]
    search = _Search(requests, requests.linear_features())
    with threadpool_limits(1, "blas"):
        outsides = [fold == number for number in range(FOLDS)]
        before = search.ndcg(outsides, fit.without_fold)
        gains = {}
        for strength in STRENGTHS_OF_MOVES:
            moved = [search.around(of, strength, ~rows) for of, rows in zip(fit.without_fold, outsides, strict=True)]
            gains[strength] = search.ndcg(outsides, moved) - before
        strength = max(gains, key=lambda strength: float(gains[strength].mean()))
        difference, error = float(gains[strength].mean()), error_by_users(gains[strength], user)
        used = difference > 0
        facts |= {"strength": strength, "before": float(before.mean()), "difference": difference, "error": error}
        facts["used"] = used
        log.info(
            "%s: weights fitted to nDCG@10, L2 %g, change it by %+.4f (standard error %.4f) over %d requests of other users: %s",
            *(task, strength, difference, error, len(requests), "used" if used else "left out"),
        )
        if not used:
            return Refinement(None, facts)
        return Refinement(LinearCorrector.between(fit.ranker, search.around(fit.ranker, strength), places), facts)


@dataclass(frozen=True)
class _Search:
    """Weights near those of a ranker."""

    requests: RankRequests
    x: Floats  # (n, F)

    @cached_property
    def spread(self) -> FeatureWeights:
        """(F,)."""
        return spread_within(self.x, self.requests.lengths)

    def around(self, ranker: LinearRanker, strength: float, rows: NDArray[np.bool_] | None = None) -> LinearRanker:
        """The ranker, moved. rows: (requests,) which are fitted on; None: all of them."""
        rows = np.ones(len(self.requests), np.bool_) if rows is None else rows
        loss = SmoothNdcg(self.requests.where(rows), self.x[self._of(rows)])
        bounds, unscaled = bounds_of(ranker), ranker.of_features(FEATURES).astype(np.float64)
        centre = np.clip(unscaled * self.spread, bounds.low, bounds.high)
        standard = minimum(loss, self.spread, bounds, strength, centre, centre=centre)
        # A feature that is the same for all of the best says nothing of their order, and has nothing to be moved by.
        weights = np.where(self.spread > CONSTANT, standard * scale_of(self.spread), unscaled)
        named = (dict(zip(FEATURES, values.tolist(), strict=True)) for values in (weights, standard))
        return LinearRanker.of(*named)

    def ndcg(self, outsides: Sequence[NDArray[np.bool_]], rankers: Sequence[LinearRanker]) -> NDArray[np.float64]:
        """(requests,): nDCG@10 of each by its ranker. outsides: (requests,) for each ranker, which requests are ranked by it."""
        scores = np.zeros(len(self.x), np.float32)
        for rows, ranker in zip(outsides, rankers, strict=True):
            scores[self._of(rows)] = self.x[self._of(rows)] @ ranker.of_features(FEATURES)
        return self.requests.ndcg(scores)

    def _of(self, rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.repeat(rows, self.requests.lengths)
