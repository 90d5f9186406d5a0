"""The weights of the served score, chosen per task on validation."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopback_core.ranking.candidates import Candidates
from loopback_core.ranking.linear_ranker import TOWERS_ALONE, LinearRanker
from loopback_core.ranking.scorer import Scorer
from loopback_core.ranking.terms import TERMS
from loopback_core.tasks.task import Task

log = logging.getLogger("loopback")

ALIKE = 0.5
"""Weights are as good as the best ones if their mean loss over users is at most this many standard errors."""

ROUNDS = 2

Coordinate = Literal["weights", "half_lives"]


@dataclass(frozen=True)
class Point:
    """A place on the grid: a weight and a half-life for each of TERMS, in their order."""

    weights: tuple[float, ...] = (0.0,) * len(TERMS)
    half_lives: tuple[float, ...] = tuple(term.first_half_life for term in TERMS)

    def ranker(self) -> LinearRanker:
        """The ranker of these weights."""
        return average([self])

    def neighbours(self, place: int, coordinate: Coordinate) -> list["Point"]:
        """This point and those that differ in the weight or the half-life of one term only."""
        values = TERMS[place].grid if coordinate == "weights" else TERMS[place].half_lives
        own = getattr(self, coordinate)
        return [self, *(replace(self, **{coordinate: (*own[:place], value, *own[place + 1 :])}) for value in values)]

    def without(self, useless: Sequence[str]) -> "Point":
        """This point with weight 0 for some terms."""
        named = zip(TERMS, self.weights, strict=True)
        return replace(self, weights=tuple(0.0 if term.name in useless else weight for term, weight in named))


STARTS = (Point(), Point(weights=tuple(term.warm_start for term in TERMS)))
"""A term that helps only together with another one is found by a search that starts with both."""


def average(points: Sequence[Point]) -> LinearRanker:
    """The mean of the scores that these points give: a term has the weights of all of their half-lives."""
    weights: dict[str, dict[float, float]] = {}
    for place, term in enumerate(TERMS):
        of_term = defaultdict[float, float](float)
        if term.half_lives:
            for point in points:
                of_term[point.half_lives[place]] += point.weights[place] / len(points)
        else:
            of_term[0.0] = float(np.mean([point.weights[place] for point in points]))
        weights[term.name] = dict(of_term)
    return LinearRanker.of(weights)


class Quality(NamedTuple):
    """How good some weights are; the larger of two is the better one."""

    within: float  # 0, or by how much popularity is amplified beyond what is allowed, negative
    ndcg: float  # mean of nDCG@10 and nDCG@100


def fit_ranker(scored_tasks: Sequence[tuple[Scorer, Task]], seed: int, max_amplification: float) -> LinearRanker:
    """The weights with the best mean nDCG over some tasks of one kind, of the phase 'tuning'.

    A coordinate search from two starts, and the mean of all points visited that are as good as the best within noise:
    which of them is the best depends on the sample of users, and their mean varies less (as in Breiman 1996,
    "Bagging Predictors"). max_amplification: recommended tracks may be at most this many times as popular as played
    ones, at both cut-offs; weights above it are worse than all below. Every point is compared on the same few
    candidates of each user, those that any term ranks high. The rankers of the scorers are not read. Without a user to
    score, the towers alone.
    """
    scored_tasks = [(scorer, task) for scorer, task in scored_tasks if len(task.users)]
    if not scored_tasks:
        return TOWERS_ALONE
    search = _Search([Candidates(scorer, task, seed) for scorer, task in scored_tasks], max_amplification)
    useless = useless_terms(*scored_tasks[0])
    best = max((search.climb(start.without(useless), useless) for start in STARTS), key=search.quality)
    alike = [point for point in search.visited if search.is_as_good(point.ranker(), best.ranker())]
    mean = average(alike)
    ranker = mean if search.is_as_good(mean, best.ranker()) else best.ranker()
    log.info(
        "%s: ndcg of the towers alone %.4f, as served %.4f on validation (the mean of %d points: %s)",
        scored_tasks[0][1].name,
        search.measure(TOWERS_ALONE).ndcg,
        search.measure(ranker).ndcg,
        len(alike),
        ", ".join(f"{name} {value}" for name, value in ranker.as_json().items()),
    )
    return ranker


def useless_terms(scorer: Scorer, task: Task) -> list[str]:
    """The terms that are 0 for every candidate of a task."""
    return [term.name for term in TERMS if term.is_useless(scorer.knowledge, task)]


class _Search:
    """A coordinate search over the grid, by the mean over the users of some pools."""

    def __init__(self, pools: Sequence[Candidates], max_amplification: float) -> None:
        self.pools, self.max_amplification = pools, max_amplification
        self.visited: list[Point] = []
        self._measured: dict[LinearRanker, tuple[Quality, NDArray[np.float64]]] = {}

    def quality(self, point: Point) -> Quality:
        """How good the weights of this point are."""
        if point not in self.visited:
            self.visited.append(point)
        return self.measure(point.ranker())

    def measure(self, ranker: LinearRanker) -> Quality:
        """How good these weights are."""
        return self._measure(ranker)[0]

    def is_as_good(self, ranker: LinearRanker, best: LinearRanker) -> bool:
        """Whether the loss of these weights against the best ones, user by user, is within noise."""
        (quality, of_users), (best_quality, of_users_best) = self._measure(ranker), self._measure(best)
        lost = of_users_best - of_users
        error = lost.std() / np.sqrt(len(lost))
        return bool(quality.within >= best_quality.within and lost.mean() <= ALIKE * error)

    def _measure(self, ranker: LinearRanker) -> tuple[Quality, NDArray[np.float64]]:
        if ranker not in self._measured:
            ndcg, amplification = zip(*(pool.measure(ranker) for pool in self.pools), strict=True)
            of_users, beyond = np.concatenate(ndcg), float(np.mean(amplification)) - self.max_amplification
            self._measured[ranker] = Quality(min(0.0, -beyond), float(of_users.mean())), of_users
        return self._measured[ranker]

    def climb(self, point: Point, useless: Sequence[str]) -> Point:
        """The best point of a search that begins here; of equals the first."""
        for place, term in [*enumerate(TERMS)] * ROUNDS:
            if term.name in useless:
                continue
            point = max(point.neighbours(place, "weights"), key=self.quality)
            if term.half_lives and point.weights[place]:
                point = max(point.neighbours(place, "half_lives"), key=self.quality)
        return point
