"""Fitting the trees of a task, and telling on users that they were not fitted on whether they pay."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopback_core.ranking.fitting import FOLDS
from loopback_core.ranking.tree_facts import TreeFacts
from loopback_core.ranking.tree_ranker import TREE_FEATURES, TreeRanker, lightgbm
from loopback_core.ranking.tree_requests import TreeRequests
from loopback_core.runtime.threads import compute_threads
from loopback_core.settings import RankingSettings

log = logging.getLogger("loopback")

FEWEST_USERS = 30
"""With fewer users there is nothing to tell from, and the linear score stays."""

SURE = 2.0
"""Standard errors that a difference must be above zero. The best of several numbers of trees is looked at, and a list by the
linear score is simpler to explain."""

ROUNDS = (10, 20, 35, 50, 75, 100, 150)
"""The numbers of trees that are compared."""

PARAMETERS: Mapping[str, Any] = {
    "objective": "lambdarank",
    "lambdarank_truncation_level": 30,
    "learning_rate": 0.1,
    "num_leaves": 15,
    "min_data_in_leaf": 100,
    "lambda_l2": 10.0,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


@dataclass(frozen=True)
class TreeFit:
    """The trees of a task; None: the linear score orders its candidates."""

    trees: TreeRanker | None
    facts: TreeFacts


def fit_trees(task: str, requests: TreeRequests, settings: RankingSettings, seed: int) -> TreeFit:
    """Trees that begin where the linear score ends: they are fitted to the gradient of its LambdaRank loss.

    With `ranker = "auto"` they are used where nDCG@10 of users whom they were not fitted on is better by more than SURE standard
    errors. seed: of folds and of bagging.
    """
    users, user = np.unique(requests.user, return_inverse=True)
    if len(users) < FEWEST_USERS:
        return TreeFit(None, _facts(requests, len(users)))
    fold = (np.random.default_rng(seed).permutation(len(users)) % FOLDS)[user]
    differences = np.zeros((len(ROUNDS), len(requests)))
    for number in range(FOLDS):
        inside, outside = requests.where(fold != number), requests.where(fold == number)
        booster, linear = _boosted(inside, max(ROUNDS), seed), outside.ndcg(outside.scores)
        for place, rounds in enumerate(ROUNDS):
            corrections = booster.predict(
                outside.features, num_iteration=rounds, num_threads=compute_threads()["torch"]
            )
            scores = (outside.scores + corrections).astype(np.float32)
            differences[place, fold == number] = outside.ndcg(scores) - linear
    best = int(np.argmax(differences.mean(axis=1)))
    difference, error = float(differences[best].mean()), _error_by_users(differences[best], user)
    used = settings.ranker == "lightgbm" or difference > SURE * error
    facts = _facts(requests, len(users), rounds=ROUNDS[best], difference=difference, error=error, used=used)
    log.info(
        "%s: %d trees change nDCG@10 by %+.4f (standard error %.4f) over %d requests of other users: %s",
        *(task, ROUNDS[best], difference, error, len(requests), "used" if used else "left out"),
    )
    if not used:
        return TreeFit(None, facts)
    booster = _boosted(requests, ROUNDS[best], seed)
    gains = booster.feature_importance("gain")
    facts["gains"] = dict(zip(TREE_FEATURES, (gains / max(gains.sum(), 1e-9)).tolist(), strict=True))
    return TreeFit(TreeRanker(booster.model_to_string(), settings.places), facts)


def _boosted(requests: TreeRequests, rounds: int, seed: int) -> Any:
    library = lightgbm()
    data = library.Dataset(
        requests.features,
        requests.is_positive.astype(np.int8),
        group=requests.lengths,
        init_score=requests.scores.astype(np.float64),
    )
    return library.train({**PARAMETERS, "seed": seed, "num_threads": compute_threads()["torch"]}, data, rounds)


def _error_by_users(differences: NDArray[np.float64], user: NDArray[np.int64]) -> float:
    """The standard error of the mean over requests, of which those of one user are alike."""
    residuals = np.bincount(user, differences - differences.mean())
    return float(np.sqrt(np.square(residuals).sum()) / len(differences))


def _facts(
    requests: TreeRequests,
    users: int,
    rounds: int = 0,
    difference: float = 0.0,
    error: float = 0.0,
    used: bool = False,
) -> TreeFacts:
    return {
        "requests": len(requests),
        "users": users,
        "rounds": rounds,
        "linear": float(requests.ndcg(requests.scores).mean()) if len(requests) else 0.0,
        "difference": difference,
        "error": error,
        "used": used,
        "gains": {},
    }
