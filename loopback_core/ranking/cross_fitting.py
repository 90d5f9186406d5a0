"""Fitting a corrector of a task, and telling on users that it was not fitted on whether it pays."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Floats
from loopback_core.ranking.best_candidates import BestCandidates
from loopback_core.ranking.corrector import Corrector
from loopback_core.ranking.corrector_facts import CorrectorFacts
from loopback_core.ranking.feature_groups import feature_groups
from loopback_core.ranking.fitting import FOLDS
from loopback_core.ranking.rank_requests import RankRequests

log = logging.getLogger("loopback")

FEWEST_USERS = 30
"""With fewer users there is nothing to tell from, and the linear score stays."""

SURE = 2.0
"""Standard errors that a difference must be above zero. The best of several numbers of steps is looked at, and a list by the
linear score is simpler to explain."""

SHUFFLED_REQUESTS = 500
"""Requests of each part, at most, on which features are shuffled."""


class Method(ABC):
    """A kind of corrector that is fitted step by step, and can be asked after any of its steps."""

    kind: ClassVar[str]
    steps: ClassVar[tuple[int, ...]]
    """The numbers of steps that are compared, ascending."""

    @abstractmethod
    def fit(self, requests: RankRequests, steps: int, seed: int) -> Any:
        """What is learned in so many steps."""

    @abstractmethod
    def corrected(self, fitted: Any, best: BestCandidates, steps: int) -> Floats:
        """(n,): the corrected scores after some of its steps."""

    @abstractmethod
    def corrector(self, fitted: Any, steps: int, places: int) -> Corrector:
        """The same, to be kept."""

    def gains(self, fitted: Any) -> dict[str, float]:
        """Feature -> share of what was learned by it; nothing where that cannot be told."""
        return {}


@dataclass(frozen=True)
class CorrectorFit:
    """The corrector of a task; None: the linear score orders its candidates."""

    corrector: Corrector | None
    facts: CorrectorFacts


def fit_corrector(
    task: str, requests: RankRequests, method: Method, places: int, seed: int, *, always: bool = False
) -> CorrectorFit:
    """A corrector that begins where the linear score ends.

    It is used where nDCG@10 of users whom it was not fitted on is better by more than SURE standard errors, or `always` where there
    are enough users to fit on. places: candidates of a request. seed: of folds and of the fitting.
    """
    users, user = np.unique(requests.user, return_inverse=True)
    facts: CorrectorFacts = {
        "kind": method.kind,
        "requests": len(requests),
        "users": len(users),
        "steps": 0,
        "linear": float(requests.ndcg(requests.scores).mean()) if len(requests) else 0.0,
        "difference": 0.0,
        "error": 0.0,
        "used": False,
        "gains": {},
        "losses": {},
    }
    if len(users) < FEWEST_USERS:
        return CorrectorFit(None, facts)
    fold = (np.random.default_rng(seed).permutation(len(users)) % FOLDS)[user]
    differences, fits = np.zeros((len(method.steps), len(requests))), []
    for number in range(FOLDS):
        outside = requests.where(fold == number)
        fits.append(method.fit(requests.where(fold != number), method.steps[-1], seed))
        linear = outside.ndcg(outside.scores)
        for place, steps in enumerate(method.steps):
            ndcg = outside.ndcg(method.corrected(fits[number], outside, steps))
            differences[place, fold == number] = ndcg - linear
    best = int(np.argmax(differences.mean(axis=1)))
    difference, error = float(differences[best].mean()), _error_by_users(differences[best], user)
    used = always or difference > SURE * error
    facts |= {"steps": method.steps[best], "difference": difference, "error": error, "used": used}
    log.info(
        "%s: %s, %d steps, changes nDCG@10 by %+.4f (standard error %.4f) over %d requests of other users: %s",
        *(task, method.kind, method.steps[best], difference, error, len(requests), "used" if used else "left out"),
    )
    if not used:
        return CorrectorFit(None, facts)
    facts["losses"] = _losses_when_shuffled(method, fits, requests, fold, method.steps[best], seed)
    fitted = method.fit(requests, method.steps[best], seed)
    facts["gains"] = method.gains(fitted)
    return CorrectorFit(method.corrector(fitted, method.steps[best], places), facts)


def _losses_when_shuffled(
    method: Method, fits: Sequence[Any], requests: RankRequests, fold: NDArray[np.int64], steps: int, seed: int
) -> dict[str, float]:
    """What is lost by each group of features (permutation importance: Breiman 2001), of users who were not fitted on."""
    rng = np.random.default_rng(seed)
    lost: dict[str, list[NDArray[np.float64]]] = {name: [] for name in feature_groups()}
    for number, fitted in enumerate(fits):
        some = np.zeros(len(requests), np.bool_)
        some[rng.permutation(np.flatnonzero(fold == number))[:SHUFFLED_REQUESTS]] = True
        asked = requests.where(some)
        row = np.repeat(np.arange(len(asked)), asked.lengths)
        others = np.lexsort((rng.random(len(row)), row))  # the candidates of each request, shuffled
        whole = asked.ndcg(method.corrected(fitted, asked, steps))
        for name, columns in feature_groups().items():
            shuffled = asked.features.copy()
            shuffled[:, columns] = asked.features[np.ix_(others, np.array(columns))]
            lost[name].append(whole - asked.ndcg(method.corrected(fitted, replace(asked, features=shuffled), steps)))
    return {name: float(np.concatenate(of_folds).mean()) for name, of_folds in lost.items()}


def _error_by_users(differences: NDArray[np.float64], user: NDArray[np.int64]) -> float:
    """The standard error of the mean over requests, of which those of one user are alike."""
    residuals = np.bincount(user, differences - differences.mean())
    return float(np.sqrt(np.square(residuals).sum()) / len(differences))
