"""What each group of features is worth to the linear score: fitted without it, how much of nDCG@10 is lost."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from loopback_core.ranking.best_candidates import RANK_FEATURES, feature_of
from loopback_core.ranking.corrector_facts import GroupLoss
from loopback_core.ranking.cross_fitting import FEWEST_USERS, error_by_users
from loopback_core.ranking.feature_groups import feature_groups
from loopback_core.ranking.fitting import FOLDS, ROUGHLY, sign_bounds
from loopback_core.ranking.linear_ranker import FEATURES
from loopback_core.ranking.listwise import Bounds, FeatureWeights, FitRequests, ListwiseLoss, minimum, scale_of
from loopback_core.ranking.rank_requests import RankRequests

MOST_REQUESTS = 600
"""Requests that are drawn: there is a fit for each group and fold."""

STRENGTH = 0.03
"""Of the L2 penalty, the same with and without a group."""


def losses_without_groups(requests: RankRequests, seed: int) -> dict[str, GroupLoss]:
    """Group -> the nDCG@10 that is lost where the linear score is fitted again without it, the most important first.

    Both fits order the same candidates, of users whom they were not fitted on. Of groups that say the same, each is worth
    little. Nothing where there are too few users. seed: of the requests that are drawn, and of the folds.
    """
    rng = np.random.default_rng(seed)
    requests = requests.drawn(MOST_REQUESTS, rng)
    users, user = np.unique(requests.user, return_inverse=True)
    if len(users) < FEWEST_USERS:
        return {}
    fold = (rng.permutation(len(users)) % FOLDS)[user]
    lost: dict[str, NDArray[np.float64]] = {}
    with threadpool_limits(1, "blas"):
        for number in range(FOLDS):
            inside, outside = requests.where(fold != number), requests.where(fold == number)
            for name, difference in _losses(inside, outside):
                lost.setdefault(name, np.zeros(len(requests)))[fold == number] = difference
    measured = {name: GroupLoss(loss=float(of.mean()), error=error_by_users(of, user)) for name, of in lost.items()}
    return dict(sorted(measured.items(), key=lambda group: -group[1]["loss"]))


def _losses(inside: RankRequests, outside: RankRequests) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Of every group that the linear score may read, what is lost in each request outside, (requests,)."""
    fitted, bounds = _as_fitted(inside), sign_bounds()
    spread, asked = fitted.spread(), outside.linear_features()
    scale = scale_of(spread)
    whole = minimum(ListwiseLoss(fitted), spread, bounds, STRENGTH, np.zeros(len(FEATURES)), ROUGHLY)
    before = outside.ndcg(_scores(asked, whole * scale))
    for name, columns in feature_groups().items():
        is_left = ~np.isin(FEATURES, [feature_of(RANK_FEATURES[column]) for column in columns])
        if is_left.all():  # it is of the order of the candidates, which the linear score makes
            continue
        # Where only new tracks are candidates nothing is read of plays of the track, say.
        if not whole[~is_left].any():
            yield name, np.zeros(len(outside))
            continue
        without = Bounds(np.where(is_left, bounds.low, 0.0), np.where(is_left, bounds.high, 0.0))
        weights = minimum(ListwiseLoss(fitted), spread, without, STRENGTH, whole * is_left, ROUGHLY)
        yield name, before - outside.ndcg(_scores(asked, weights * scale))


def _as_fitted(requests: RankRequests) -> FitRequests:
    return FitRequests(requests.linear_features(), requests.lengths, requests.is_positive, requests.user)


def _scores(features: NDArray[np.float32], weights: FeatureWeights) -> NDArray[np.float32]:
    scores: NDArray[np.float32] = features @ weights.astype(np.float32)
    return scores
