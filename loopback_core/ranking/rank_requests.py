"""Requests to fit a corrector on: the best candidates by the linear score, as they are served."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import NOTHING, Floats, Ids, Ragged, Ranking
from loopback_core.ranking.best_candidates import RANK_FEATURES, BestCandidates, rank_features
from loopback_core.ranking.pair_features import personal_bags
from loopback_core.ranking.scorer import Scorer, last_listens
from loopback_core.ranking.terms import Listened
from loopback_core.retrieval.top_k import USERS_AT_ONCE, no_ranking, tie_order, top_k
from loopback_core.tasks.metrics import discount, ideal_gain
from loopback_core.tasks.task import Task


@dataclass(frozen=True)
class RankRequests(BestCandidates):
    """Requests of which a positive is among the best candidates."""

    is_positive: NDArray[np.bool_]  # (n,)
    n_positives: Ids  # (requests,) also of those that are no candidates
    user: Ids  # (requests,) dense id

    def __len__(self) -> int:
        return len(self.user)

    def where(self, rows: NDArray[np.bool_]) -> "RankRequests":
        """Some of the requests. rows: (requests,)."""
        inside = np.repeat(rows, self.lengths)
        return RankRequests(
            self.features[inside],
            self.scores[inside],
            self.lengths[rows],
            self.track[inside],
            self.history.take(np.flatnonzero(rows)),
            self.is_positive[inside],
            self.n_positives[rows],
            self.user[rows],
        )

    def first(self, places: int) -> "RankRequests":
        """The same requests, each with at most so many of its best candidates. Some may be left without a positive."""
        starts = np.cumsum(self.lengths) - self.lengths
        inside = np.arange(len(self.scores)) - np.repeat(starts, self.lengths) < places
        return replace(
            self,
            features=self.features[inside],
            scores=self.scores[inside],
            lengths=np.minimum(self.lengths, places),
            track=self.track[inside],
            is_positive=self.is_positive[inside],
        )

    def drawn(self, most: int, rng: np.random.Generator) -> "RankRequests":
        """At most so many of the requests."""
        rows = np.zeros(len(self), np.bool_)
        rows[rng.permutation(len(self))[:most]] = True
        return self if rows.all() else self.where(rows)

    def ndcg(self, scores: Floats, k: int = 10) -> NDArray[np.float64]:
        """(requests,): nDCG@k of the candidates in the order of some scores, (n,). Equals keep the linear order."""
        ends = np.concatenate([[0], np.cumsum(self.lengths)])
        row = np.repeat(np.arange(len(self)), self.lengths)
        order = np.lexsort((-scores, row))
        place = np.arange(len(scores)) - ends[row]
        gains = np.where(self.is_positive[order] & (place < k), discount(int(self.lengths.max()))[place], 0.0)
        ndcg: NDArray[np.float64] = np.bincount(row, gains, minlength=len(self)) / ideal_gain(self.n_positives, k)
        return ndcg


@dataclass(frozen=True)
class RankedTask:
    """The best candidates of every user of a task by the linear score."""

    task: Task
    ranking: Ranking  # (users, places)
    requests: RankRequests  # the users with a positive among these


def ranked_task(scorer: Scorer, task: Task, places: int, seed: int, listened: Listened | None = None) -> RankedTask:
    """The `places` best candidates of every user of a task.

    scorer: with the linear ranker of the task. seed: of the permutation that breaks ties. listened: of the histories of the task, where
    other tasks read them too.
    """
    listened = listened or Listened(task.histories, scorer.knowledge)
    places, tie_rank = min(places, task.n_candidates), tie_order(task.n_candidates, seed)
    ranking, parts = no_ranking(len(task.users), places), []
    for start in range(0, len(task.users), USERS_AT_ONCE):
        rows = np.arange(start, min(start + USERS_AT_ONCE, len(task.users)))
        best, requests = _ranked(scorer, task.of_rows(rows), listened.take(rows), places, tie_rank)
        ranking.tracks[rows], ranking.scores[rows] = best.tracks, best.scores
        parts.append(requests)
    return RankedTask(task, ranking, all_requests(parts))


def all_requests(parts: Sequence[RankRequests]) -> RankRequests:
    """The requests of all parts."""
    every = (NO_RANK_REQUESTS, *parts)

    def together(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in every])

    offsets = np.concatenate([[0], np.cumsum(np.concatenate([part.history.lengths for part in every]))]).astype(
        np.int64
    )
    return RankRequests(
        together("features"),
        together("scores"),
        together("lengths"),
        together("track"),
        Ragged(offsets, np.concatenate([part.history.values for part in every])),
        together("is_positive"),
        together("n_positives"),
        together("user"),
    )


def _ranked(scorer: Scorer, task: Task, listened: Listened, places: int, tie_rank: Ids) -> tuple[Ranking, RankRequests]:
    users = scorer.encode(task.histories, listened)
    scores = users.vectors @ scorer.vectors.T
    scorer.add_terms(scores, users.prior)
    best = top_k(scores, places, tie_rank, task.exclude)
    row, place = np.nonzero(best.tracks != NOTHING)
    track, positives, n = best.tracks[row, place], task.positives, task.n_candidates
    is_positive = np.isin(row * n + track, positives.row_numbers() * n + positives.values)
    has_any = np.bincount(row, is_positive, minlength=len(task.users)) > 0
    kept = has_any[row]
    row, place, track = row[kept], place[kept], track[kept]
    bags = personal_bags(listened)
    lengths, by_score = np.bincount(row, minlength=len(task.users))[has_any], best.scores[row, place]
    requests = RankRequests(
        rank_features(scorer.features(users.vectors, bags, row, track), by_score, lengths),
        by_score,
        lengths,
        track,
        last_listens(task.histories, scorer.knowledge.catalog.n_tracks).take(np.flatnonzero(has_any)),
        is_positive[kept],
        positives.lengths[has_any],
        task.users[has_any],
    )
    return best, requests


NO_RANK_REQUESTS = RankRequests(
    np.zeros((0, len(RANK_FEATURES)), np.float32),
    np.zeros(0, np.float32),
    np.zeros(0, np.int64),
    np.zeros(0, np.int64),
    Ragged(np.zeros(1, np.int64), np.zeros(0, np.int64)),
    np.zeros(0, np.bool_),
    np.zeros(0, np.int64),
    np.zeros(0, np.int64),
)
