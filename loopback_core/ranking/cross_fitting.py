"""Fitting a corrector of a task, and telling on users that it was not fitted on whether it pays."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

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

PATIENCE = 2
"""Numbers of steps after the best one so far, without a better one, that end the search."""

SHUFFLED_REQUESTS = 500
"""Requests of each part, at most, on which features are shuffled."""


class Fitting(ABC):
    """A corrector that is being fitted, step by step."""

    @abstractmethod
    def advance(self, steps: int) -> None:
        """Go on until so many steps were made in all, no fewer than before."""

    @abstractmethod
    def corrected(self, best: BestCandidates, steps: int) -> Floats:
        """(n,): the scores as corrected after some of the steps that were made."""

    @abstractmethod
    def corrector(self, steps: int, places: int) -> Corrector:
        """The same, to be kept."""

    def gains(self) -> dict[str, float]:
        """Feature -> share of what was learned by it; nothing where that cannot be told."""
        return {}


class Method(ABC):
    """A kind of corrector."""

    kind: ClassVar[str]
    steps: ClassVar[tuple[int, ...]]
    """The numbers of steps that are compared, ascending."""

    @abstractmethod
    def begin(self, requests: RankRequests, seed: int) -> Fitting:
        """A fitting of which no step was made."""

    def fit(self, requests: RankRequests, steps: int, seed: int) -> Fitting:
        """A fitting after so many steps."""
        fitting = self.begin(requests, seed)
        fitting.advance(steps)
        return fitting


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
        "without": {},
    }
    if len(users) < FEWEST_USERS:
        return CorrectorFit(None, facts)
    fold = (np.random.default_rng(seed).permutation(len(users)) % FOLDS)[user]
    fits = [method.begin(requests.where(fold != number), seed) for number in range(FOLDS)]
    steps, differences = _best_steps(method, fits, requests, fold)
    difference, error = float(differences.mean()), error_by_users(differences, user)
    used = always or difference > SURE * error
    facts |= {"steps": steps, "difference": difference, "error": error, "used": used}
    log.info(
        "%s: %s, %d steps, changes nDCG@10 by %+.4f (standard error %.4f) over %d requests of other users: %s",
        *(task, method.kind, steps, difference, error, len(requests), "used" if used else "left out"),
    )
    if not used:
        return CorrectorFit(None, facts)
    facts["losses"] = _losses_when_shuffled(fits, requests, fold, steps, seed)
    fitted = method.fit(requests, steps, seed)
    facts["gains"] = fitted.gains()
    return CorrectorFit(fitted.corrector(steps, places), facts)


def _best_steps(
    method: Method, fits: Sequence[Fitting], requests: RankRequests, fold: NDArray[np.int64]
) -> tuple[int, NDArray[np.float64]]:
    """The number of steps that is best for users outside of their fold, and what it changes of nDCG@10, (requests,).

    The search ends once PATIENCE numbers in a row were no better. fits: one for each fold, of the requests outside of it.
    """
    outsides = [requests.where(fold == number) for number in range(FOLDS)]
    linear = requests.ndcg(requests.scores)
    best, of_best, since = method.steps[0], np.full(len(requests), -np.inf), 0
    for steps in method.steps:
        differences = np.zeros(len(requests))
        for number, (fitting, outside) in enumerate(zip(fits, outsides, strict=True)):
            fitting.advance(steps)
            corrected = outside.ndcg(fitting.corrected(outside, steps))
            differences[fold == number] = corrected - linear[fold == number]
        since += 1
        if differences.mean() > of_best.mean():
            best, of_best, since = steps, differences, 0
        if since == PATIENCE:
            break
    return best, of_best


def _losses_when_shuffled(
    fits: Sequence[Fitting], requests: RankRequests, fold: NDArray[np.int64], steps: int, seed: int
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
        whole = asked.ndcg(fitted.corrected(asked, steps))
        for name, columns in feature_groups().items():
            shuffled = asked.features.copy()
            shuffled[:, columns] = asked.features[np.ix_(others, np.array(columns))]
            lost[name].append(whole - asked.ndcg(fitted.corrected(replace(asked, features=shuffled), steps)))
    return {name: float(np.concatenate(of_folds).mean()) for name, of_folds in lost.items()}


def error_by_users(differences: NDArray[np.float64], user: NDArray[np.int64]) -> float:
    """The standard error of the mean over requests, of which those of one user are alike."""
    residuals = np.bincount(user, differences - differences.mean())
    return float(np.sqrt(np.square(residuals).sum()) / len(differences))
