"""FitRequests to fit a ranker on: their candidates with the features of each."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Ids
from loopback_core.ranking.candidates import candidates_of, most_popular
from loopback_core.ranking.linear_ranker import FEATURES
from loopback_core.ranking.listwise import FitRequests
from loopback_core.ranking.pair_features import personal_bags
from loopback_core.ranking.scorer import Scorer
from loopback_core.ranking.terms import Listened
from loopback_core.retrieval.top_k import USERS_AT_ONCE, tie_order
from loopback_core.tasks.task import Task

NEGATIVES = 200
"""Negatives of each request at most, drawn from its candidates by seed."""


NO_REQUESTS = FitRequests(
    np.zeros((0, len(FEATURES)), np.float32), np.zeros(0, np.int64), np.zeros(0, np.bool_), np.zeros(0, np.int64)
)


def requests_of(scorer: Scorer, task: Task, seed: int, listened: Listened | None = None) -> FitRequests:
    """Every user of a task that has a positive among the candidates that could be served, with the features of those.

    The ranker of the scorer is not read. seed: of the negatives and of ties. listened: of the histories of the task, where other tasks
    read them too.
    """
    listened = listened or Listened(task.histories, scorer.knowledge)
    rng = np.random.default_rng(seed)
    popular, tie_rank = most_popular(scorer), tie_order(task.n_candidates, seed)
    starts = range(0, len(task.users), USERS_AT_ONCE)
    return together([_requests(scorer, task, listened, start, rng, popular, tie_rank) for start in starts])


def together(parts: Sequence[FitRequests]) -> FitRequests:
    """All of them."""
    return FitRequests(
        *(
            np.concatenate([getattr(part, name) for part in (NO_REQUESTS, *parts)])
            for name in ("features", "lengths", "is_positive", "user")
        )
    )


def _requests(
    scorer: Scorer,
    task: Task,
    listened: Listened,
    start: int,
    rng: np.random.Generator,
    popular: Ids,
    tie_rank: Ids,
) -> FitRequests:
    """Of the users of a task from `start` on, USERS_AT_ONCE of them."""
    rows = np.arange(start, min(start + USERS_AT_ONCE, len(task.users)))
    task = task.of_rows(rows)
    users, bags = scorer.users(task.histories), personal_bags(listened.take(rows))
    candidates = candidates_of(users, scorer, task, bags, popular, tie_rank)
    positives, n = task.positives, task.n_candidates
    row, track = candidates.row_numbers(), candidates.values
    is_positive = np.isin(row * n + track, positives.row_numbers() * n + positives.values)
    hits = np.bincount(row, is_positive, minlength=len(rows))
    used = _drawn(row, is_positive, rng) & (hits > 0)[row]
    row, track, is_positive = row[used], track[used], is_positive[used]
    lengths = np.bincount(row, minlength=len(rows))
    has_any = lengths > 0
    features = scorer.features(users, bags, row, track)
    return FitRequests(features, lengths[has_any], is_positive, task.users[has_any])


def _drawn(row: Ids, is_positive: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """All positives, and NEGATIVES of the negatives of each row. row: (n,) ascending."""
    order = np.lexsort((np.where(is_positive, -1.0, rng.random(len(row))), row))
    n_positives = np.bincount(row, is_positive)
    starts = np.cumsum(np.bincount(row)) - np.bincount(row)
    place = np.arange(len(row)) - starts[row]  # in the order of its row
    drawn = np.zeros(len(row), np.bool_)
    drawn[order] = place < (n_positives + NEGATIVES)[row]
    return drawn
