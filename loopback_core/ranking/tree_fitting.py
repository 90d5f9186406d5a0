"""Fitting the trees of a task, and telling on users that they were not fitted on whether they pay."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Floats
from loopback_core.ranking.feature_groups import feature_groups
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

SHUFFLED_REQUESTS = 500
"""Requests of each part, at most, on which features are shuffled."""

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
    differences, boosters = np.zeros((len(ROUNDS), len(requests))), []
    for number in range(FOLDS):
        outside = requests.where(fold == number)
        boosters.append(boosted(requests.where(fold != number), max(ROUNDS), seed))
        linear = outside.ndcg(outside.scores)
        for place, rounds in enumerate(ROUNDS):
            differences[place, fold == number] = _ndcg(boosters[number], outside, outside.features, rounds) - linear
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
    facts["losses"] = _losses_when_shuffled(boosters, requests, fold, ROUNDS[best], seed)
    booster = boosted(requests, ROUNDS[best], seed)
    gains = booster.feature_importance("gain")
    facts["gains"] = dict(zip(TREE_FEATURES, (gains / max(gains.sum(), 1e-9)).tolist(), strict=True))
    return TreeFit(TreeRanker(booster.model_to_string(), settings.places), facts)


def boosted(requests: TreeRequests, rounds: int, seed: int) -> Any:
    """A booster of LightGBM that begins at the linear scores. seed: of bagging."""
    library = lightgbm()
    data = library.Dataset(
        requests.features,
        requests.is_positive.astype(np.int8),
        group=requests.lengths,
        init_score=requests.scores.astype(np.float64),
    )
    return library.train({**PARAMETERS, "seed": seed, "num_threads": compute_threads()["torch"]}, data, rounds)


def _ndcg(booster: Any, requests: TreeRequests, features: Floats, rounds: int) -> NDArray[np.float64]:
    """(requests,): nDCG@10 of the corrected scores. features: those of the requests, or others in their place."""
    corrections = booster.predict(features, num_iteration=rounds, num_threads=compute_threads()["torch"])
    return requests.ndcg((requests.scores + corrections).astype(np.float32))


def _losses_when_shuffled(
    boosters: Sequence[Any], requests: TreeRequests, fold: NDArray[np.int64], rounds: int, seed: int
) -> dict[str, float]:
    """What is lost by each group of features (permutation importance: Breiman 2001), of users who were not fitted on."""
    rng = np.random.default_rng(seed)
    lost: dict[str, list[NDArray[np.float64]]] = {name: [] for name in feature_groups()}
    for number, booster in enumerate(boosters):
        some = np.zeros(len(requests), np.bool_)
        some[rng.permutation(np.flatnonzero(fold == number))[:SHUFFLED_REQUESTS]] = True
        asked = requests.where(some)
        row = np.repeat(np.arange(len(asked)), asked.lengths)
        others = np.lexsort((rng.random(len(row)), row))  # the candidates of each request, shuffled
        whole = _ndcg(booster, asked, asked.features, rounds)
        for name, columns in feature_groups().items():
            shuffled = asked.features.copy()
            shuffled[:, columns] = asked.features[np.ix_(others, columns)]
            lost[name].append(whole - _ndcg(booster, asked, shuffled, rounds))
    return {name: float(np.concatenate(of_folds).mean()) for name, of_folds in lost.items()}


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
        "losses": {},
    }
