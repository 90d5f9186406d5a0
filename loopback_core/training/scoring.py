"""The weights of the served score, chosen per task on validation."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import NamedTuple

import numpy as np

from loopback_core.evaluation.tasks import TASKS, Task
from loopback_core.retrieval.recommenders import Served
from loopback_core.retrieval.scoring import Scoring
from loopback_core.splits import Splits
from loopback_core.training.candidates import DAYS, Candidates

log = logging.getLogger("loopback")

GRID: Mapping[str, Sequence[float]] = {
    "popularity": (0, 0.25, 0.5, 1, 2, 4),
    "trend": (0, 0.25, 0.5, 1, 2),
    "track": (0, 1, 2, 4, 8, 16, 32, 64, 128),
    "track_days": DAYS,
    "artist": (0, 0.5, 1, 2, 4, 8, 16),
    "artist_days": DAYS,
}

STARTS = (Scoring(), Scoring(popularity=1, track=8, artist=4))
"""A term that helps only beside another one is found from where both are there."""

ROUNDS = 2

MOMENTS = (0.0, 1 / 4, 1 / 2)
"""Shares of validation that were heard when a task is asked. Not more than half of it: what is left is the horizon, and
over a short one plays of last week say more than they would over one as long as test."""


class Found(NamedTuple):
    """How good some weights are; the larger of two is the better one."""

    within: float  # 0, or by how much popularity is amplified beyond what is allowed, negative
    ndcg: float  # mean of nDCG@10 and nDCG@100


def moments_of_validation(splits: Splits, task: str, enough: int) -> list[Task]:
    """The task as asked at moments of validation: what was heard by then is history, what comes after is asked.

    Few users make a noisy choice, and the same users asked again later make it less so: there are as many moments as
    it takes to ask `enough` times, the first of them the one that is most like test.
    """
    train, validation, catalog = splits.train, splits.validation, splits.tuning.catalog
    asked: list[Task] = []
    for share in MOMENTS:
        if sum(len(one.users) for one in asked) >= enough:
            break
        heard = np.arange(len(validation)) < int(share * len(validation))
        known = heard & (validation.track < catalog.n_tracks)
        events = train.then(validation.where(known))
        later = Splits(splits.folder)
        # Where a cached property keeps its value: these splits are cut later, and all else is as it was.
        later.__dict__["validation"] = validation.where(~heard)
        later.__dict__["tuning"] = replace(splits.tuning, events=events, now=int(events.timestamp[-1]))
        asked.append(TASKS[task](later, "tuning"))
    return asked


def fit_scoring(asked: Sequence[tuple[Served, Task]], seed: int, max_amplification: float) -> Scoring:
    """The weights with the best mean nDCG over some tasks of one kind, of the phase 'tuning'.

    A coordinate search from two starts. max_amplification: what is recommended may be so many times as popular as what
    was played, at both cut-offs; weights that go beyond lose against all that do not. Every point of the grid is
    compared on the same few candidates of each user, those that any term ranks high: what no term ranks high is in no
    list. What is served brings its own scoring, which is not read. With nobody to score, the towers alone.
    """
    asked = [(served, task) for served, task in asked if len(task.users)]
    if not asked:
        return Scoring()
    search = _Search([Candidates(served, task, seed) for served, task in asked], max_amplification)
    useless = useless_terms(asked[0][1])
    starts = [replace(start, **dict.fromkeys(useless, 0.0)) for start in STARTS]
    best = max((search.climb(start, useless) for start in starts), key=search.score)
    log.info(
        "%s: ndcg alone %.4f, served %.4f on validation (%s)",
        asked[0][1].name,
        search.score(Scoring()).ndcg,
        search.score(best).ndcg,
        ", ".join(f"{name} {value:g}" for name, value in asdict(best).items()),
    )
    return best


def useless_terms(task: Task) -> list[str]:
    """The terms that say nothing in a task: plays of tracks that are no candidates, popularity of what nobody heard."""
    if task.first_candidate:
        return ["track", "popularity", "trend"]
    return ["track"] if task.only_new else []


class _Search:
    """A coordinate search over the grid, by the mean over some pools."""

    def __init__(self, pools: Sequence[Candidates], max_amplification: float) -> None:
        self.pools, self.max_amplification = pools, max_amplification
        self.tried: dict[Scoring, Found] = {}

    def score(self, scoring: Scoring) -> Found:
        """How good these weights are."""
        if scoring not in self.tried:
            ndcg, amplification = np.mean([pool.measure(scoring) for pool in self.pools], axis=0).tolist()
            self.tried[scoring] = Found(min(0.0, self.max_amplification - amplification), ndcg)
        return self.tried[scoring]

    def climb(self, scoring: Scoring, useless: Sequence[str]) -> Scoring:
        """The best point of a search that begins here; of equals the first."""
        for name, values in [*GRID.items()] * ROUNDS:
            if name in useless:
                continue
            if name.endswith("_days") and not getattr(scoring, name.removesuffix("_days")):
                continue
            points = [scoring, *(replace(scoring, **{name: value}) for value in values)]
            scoring = max(points, key=self.score)
        return scoring
