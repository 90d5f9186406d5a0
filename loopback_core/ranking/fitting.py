"""The weights of the served score, chosen per task on validation."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopback_core.ranking.candidates import DAYS, Candidates
from loopback_core.ranking.linear import Scoring
from loopback_core.ranking.served import Served
from loopback_core.splits import Splits
from loopback_core.tasks.task import TASKS, Task

log = logging.getLogger("loopback")

GRID: Mapping[str, Sequence[float]] = {
    "popularity": (0, 0.25, 0.5, 1, 2, 4),
    "trend": (0, 0.25, 0.5, 1, 2),
    "track": (0, 1, 2, 4, 8, 16, 32, 64, 128),
    "track_days": DAYS,
    "artist": (0, 0.5, 1, 2, 4, 8, 16),
    "artist_days": DAYS,
    "related": (0, 0.25, 0.5, 1, 2, 4),
}

ALIKE = 0.5
"""Weights are as good as the best ones if what they lose, user by user, is at most so many standard errors."""

ROUNDS = 2

MOMENTS = (0.0, 1 / 4, 1 / 2)
"""Shares of validation that were heard when a task is asked. Not more than half of it: what is left is the horizon, and
over a short one plays of last week say more than they would over one as long as test."""


@dataclass(frozen=True)
class Point:
    """A place on the grid: weights with one half-life for each kind of plays."""

    popularity: float = 0.0
    trend: float = 0.0
    track: float = 0.0
    track_days: float = 30.0
    artist: float = 0.0
    artist_days: float = 60.0
    related: float = 0.0

    def scoring(self) -> Scoring:
        """What it stands for."""
        return average([self])


STARTS = (Point(), Point(popularity=1, track=8, artist=4))
"""A term that helps only beside another one is found from where both are there."""


def average(points: Sequence[Point]) -> Scoring:
    """The mean of the scores that these weights give; half-lives stay beside each other."""
    tracks, artists = defaultdict[float, float](float), defaultdict[float, float](float)
    for point in points:
        tracks[point.track_days] += point.track / len(points)
        artists[point.artist_days] += point.artist / len(points)
    track, artist = (
        tuple((days, weight) for days, weight in sorted(term.items()) if weight) for term in (tracks, artists)
    )
    popularity, trend, related = (
        float(np.mean([getattr(point, name) for point in points])) for name in ("popularity", "trend", "related")
    )
    return Scoring(popularity, trend, track, artist, related)


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

    A coordinate search from two starts, and the mean of all it tried that is as good as the best within noise: which of
    them is the best is a matter of the users who were asked, and their mean is steadier (as in Breiman 1996, "Bagging
    Predictors"). max_amplification: what is recommended may be so many times as popular as what was played, at both
    cut-offs; weights that go beyond lose against all that do not. Every point of the grid is compared on the same few
    candidates of each user, those that any term ranks high: what no term ranks high is in no list. What is served
    brings its own scoring, which is not read. With nobody to score, the towers alone.
    """
    asked = [(served, task) for served, task in asked if len(task.users)]
    if not asked:
        return Scoring()
    search = _Search([Candidates(served, task, seed) for served, task in asked], max_amplification)
    useless = useless_terms(*asked[0])
    starts = [replace(start, **dict.fromkeys(useless, 0.0)) for start in STARTS]
    best = max((search.climb(start, useless) for start in starts), key=search.score)
    alike = [point for point in search.tried if search.is_as_good(point.scoring(), best.scoring())]
    chosen = average(alike)
    if not search.is_as_good(chosen, best.scoring()):
        chosen = best.scoring()
    log.info(
        "%s: ndcg alone %.4f, served %.4f on validation (the mean of %d scorings: %s)",
        asked[0][1].name,
        search.measure(Scoring()).ndcg,
        search.measure(chosen).ndcg,
        len(alike),
        ", ".join(f"{name} {value}" for name, value in asdict(chosen).items()),
    )
    return chosen


def useless_terms(served: Served, task: Task) -> list[str]:
    """The terms that say nothing in a task: plays of tracks that are no candidates, popularity of what nobody heard."""
    unknown = [] if served.related is not None else ["related"]
    if task.first_candidate:
        return ["track", "popularity", "trend", *unknown]
    return ["track", *unknown] if task.only_new else unknown


class _Search:
    """A coordinate search over the grid, by the mean over the users of some pools."""

    def __init__(self, pools: Sequence[Candidates], max_amplification: float) -> None:
        self.pools, self.max_amplification = pools, max_amplification
        self.tried: list[Point] = []
        self._measured: dict[Scoring, tuple[Found, NDArray[np.float64]]] = {}

    def score(self, point: Point) -> Found:
        """How good the weights of this point are."""
        if point not in self.tried:
            self.tried.append(point)
        return self.measure(point.scoring())

    def measure(self, scoring: Scoring) -> Found:
        """How good these weights are."""
        return self._measure(scoring)[0]

    def is_as_good(self, scoring: Scoring, best: Scoring) -> bool:
        """Whether what these weights lose against the best ones, user by user, may be chance."""
        (found, of_users), (found_best, of_users_best) = self._measure(scoring), self._measure(best)
        lost = of_users_best - of_users
        error = lost.std() / np.sqrt(len(lost))
        return bool(found.within >= found_best.within and lost.mean() <= ALIKE * error)

    def _measure(self, scoring: Scoring) -> tuple[Found, NDArray[np.float64]]:
        if scoring not in self._measured:
            ndcg, amplification = zip(*(pool.measure(scoring) for pool in self.pools), strict=True)
            of_users, beyond = np.concatenate(ndcg), float(np.mean(amplification)) - self.max_amplification
            self._measured[scoring] = Found(min(0.0, -beyond), float(of_users.mean())), of_users
        return self._measured[scoring]

    def climb(self, point: Point, useless: Sequence[str]) -> Point:
        """The best point of a search that begins here; of equals the first."""
        for name, values in [*GRID.items()] * ROUNDS:
            if name in useless:
                continue
            if name.endswith("_days") and not getattr(point, name.removesuffix("_days")):
                continue
            points = [point, *(replace(point, **{name: value}) for value in values)]
            point = max(points, key=self.score)
        return point
