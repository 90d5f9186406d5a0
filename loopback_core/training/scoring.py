"""The weights of the served score, chosen per task on validation."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from loopback_core.data import Floats, Ids, Ragged
from loopback_core.evaluation.metrics import per_user_metrics
from loopback_core.evaluation.tasks import TASKS, Task
from loopback_core.recommender import NOTHING, Ranking
from loopback_core.retrieval.ranking import rank_rows, tie_order, top_k
from loopback_core.retrieval.recommenders import Served
from loopback_core.retrieval.scoring import Scoring, lookup, personal_plays
from loopback_core.splits import Splits
from loopback_core.towers.decayed_counts import Bag

log = logging.getLogger("loopback")

CUTOFFS = (10, 100)
"""Weights are compared by the mean of nDCG at both: what the verdict reads, and what a ranker would be handed, which is
less a matter of chance."""

DAYS = (3.0, 7.0, 14.0, 30.0, 60.0, 120.0, 0.0)

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

POOL = 500
"""Of the towers' and of the most popular candidates so many are looked at for each user, beside all that a prior lifts."""


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
    search = _Search([_Pool(served, task, seed) for served, task in asked], max_amplification)
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


class _Pool:
    """The candidates of every user of a task, with every term of the score."""

    def __init__(self, served: Served, task: Task, seed: int) -> None:
        self.task, self.tie_rank = task, tie_order(task.n_candidates, seed)
        users = served.users(task.histories)
        tracks, artists = personal_plays(task.histories, served.catalog.artist, list(DAYS), list(DAYS))
        self.candidates = self._candidates(users, served, tracks, artists)
        row, track = self.candidates.row_numbers(), self.candidates.values
        of_artist = served.candidate_artist[track].astype(np.int64)
        self.towers = np.einsum("nd,nd->n", users[row], served.vectors[track])
        self.popularity = served.popularity[track]
        catalog_track = track + task.first_candidate
        n_tracks = int(max(catalog_track.max(initial=0) + 1, served.catalog.n_tracks))
        self.tracks = lookup(tracks, row, catalog_track, n_tracks)
        self.artists = lookup(artists, row, of_artist, served.n_artists)
        self.heard = np.zeros(task.n_candidates)
        self.heard[: served.catalog.n_tracks] = 0 if task.first_candidate else served.catalog.listeners

    def _candidates(self, users: Floats, served: Served, tracks: Bag, artists: Bag) -> Ragged:
        task, n = self.task, self.task.n_candidates
        popular = np.argsort(-served.popularity[:, 0], kind="stable")[:POOL]
        excluded = [np.zeros(0, np.int64)] * len(task.users) if task.exclude is None else task.exclude
        rows, found = [], []
        for row in range(len(task.users)):
            without = Ragged(np.array([0, len(excluded[row])]), np.asarray(excluded[row], np.int64))
            best = top_k(users[row : row + 1] @ served.vectors.T, POOL, self.tie_rank, without).tracks[0]
            low, high = np.searchsorted(artists.row, [row, row + 1])
            lifted = served.tracks_of_artist.take(artists.items[low:high]).values
            low, high = np.searchsorted(tracks.row, [row, row + 1])
            played = tracks.items[low:high] - task.first_candidate
            whole = np.unique(np.concatenate([best[best >= 0], popular, lifted, played[(played >= 0) & (played < n)]]))
            whole = whole[~np.isin(whole, excluded[row])]
            rows.append(np.full(len(whole), row))
            found.append(whole)
        return Ragged.from_pairs(np.concatenate(rows), np.concatenate(found), len(task.users))

    @cached_property
    def _ends(self) -> list[tuple[int, int]]:
        offsets = self.candidates.offsets.tolist()
        return list(pairwise(offsets))

    def measure(self, scoring: Scoring) -> tuple[float, float]:
        """The mean nDCG of these weights, and how many times as popular as what was played their lists are."""
        total = self.towers + self.popularity @ np.array([scoring.popularity, scoring.trend], np.float32)
        total = total + scoring.track * self.tracks[:, DAYS.index(scoring.track_days)]
        total = total + scoring.artist * self.artists[:, DAYS.index(scoring.artist_days)]
        rows = ((self.candidates.values[low:high], total[low:high]) for low, high in self._ends)
        ranking = rank_rows(rows, len(self._ends), max(CUTOFFS), self.tie_rank)
        metrics = per_user_metrics(ranking, self.task.positives, CUTOFFS)
        return float(np.mean([metrics[f"ndcg@{k}"].mean() for k in CUTOFFS])), self._amplification(ranking)

    def _amplification(self, ranking: Ranking) -> float:
        """At the worse cut-off; 0 where nothing that is played was heard before."""
        positives = self.task.positives
        sums = np.bincount(positives.row_numbers(), self.heard[positives.values], minlength=len(positives))
        played = float(np.mean(sums / positives.lengths))
        return max(self._popularity(ranking.tracks[:, :k]) for k in CUTOFFS) / played if played else 0.0

    def _popularity(self, lists: Ids) -> float:
        given = lists != NOTHING
        of_track = np.where(given, self.heard[np.where(given, lists, 0)], 0.0)
        return float(np.mean(of_track.sum(axis=1) / np.maximum(given.sum(axis=1), 1)))


class _Search:
    """A coordinate search over the grid, by the mean over some pools."""

    def __init__(self, pools: Sequence[_Pool], max_amplification: float) -> None:
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
