"""Metrics of the same lists by segment of the tracks and of the users."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopback_core.data import Catalog, Histories, Ragged, Ranking, distinct_in_rows
from loopback_core.evaluation.evaluation_json import Recommenders
from loopback_core.evaluation.evaluator import TaskResult, mean_over_users
from loopback_core.evaluation.profile_segments import profile_segments
from loopback_core.evaluation.random_closed_form import expected_metrics
from loopback_core.recommenders.lists import RANDOM
from loopback_core.settings import EvaluationSettings
from loopback_core.tasks.metrics import PerUser, per_user_metrics

SEGMENT_METRICS = ("ndcg@10", "recall@100", "hit_rate@10")

KS, DEPTH = (10, 100), 100

Mask = NDArray[np.bool_]


def segments_json(result: TaskResult, profiles: pl.DataFrame, settings: EvaluationSettings) -> dict[str, Recommenders]:
    """`segments.<task>` of evaluation.json: segment -> recommender -> metric -> value and interval.

    In a segment of tracks the positives are those of the segment, and the users are those who have one. profiles: of all
    users, by dense id.
    """
    task = result.task
    everyone = np.ones(len(task.users), bool)
    table = {
        name: _measure(result, everyone, _only(task.positives, tracks), settings)
        for name, tracks in track_segments(task.fit.catalog).items()
    }
    for name, users in (user_segments(task.histories) | profile_segments(profiles, task.users)).items():
        table[name] = _measure(result, users, task.positives, settings)
    return table


def track_segments(catalog: Catalog) -> dict[str, Mask]:
    """head, mid and tail: the most played tracks that make up the first 50 %, next 30 %, last 20 % of fit plays.

    Each mask is (n_tracks,). A track on a boundary belongs to the segment in which its plays begin.
    """
    order = np.argsort(-catalog.plays, kind="stable")
    plays = catalog.plays[order]
    before = np.empty(len(order), np.int64)
    before[order] = np.cumsum(plays) - plays
    total = int(plays.sum())
    in_head, in_tail = 2 * before < total, 5 * before >= 4 * total  # in whole numbers, without rounding
    return {"head": in_head, "mid": ~in_head & ~in_tail, "tail": in_tail}


def user_segments(histories: Histories) -> dict[str, Mask]:
    """light, medium, heavy: terciles of fit events. repeaters: above the median share of repeats; explorers: the rest.

    Each mask is (users,), over the scored users. The share of repeats is 1 - distinct tracks / events.
    """
    events = histories.tracks.lengths
    if not len(events):
        no_users = np.zeros(0, bool)
        return dict.fromkeys(("light", "medium", "heavy", "repeaters", "explorers"), no_users)
    low, high = np.quantile(events, [1 / 3, 2 / 3])
    tracks = histories.tracks
    distinct, _ = distinct_in_rows(tracks.offsets, tracks.values, int(tracks.values.max(initial=-1)) + 1)
    repeats = 1 - distinct.lengths / np.maximum(events, 1)
    repeaters = repeats > np.median(repeats)
    return {
        "light": events <= low,
        "medium": (events > low) & (events <= high),
        "heavy": events > high,
        "repeaters": repeaters,
        "explorers": ~repeaters,
    }


def _only(positives: Ragged, tracks: Mask) -> Ragged:
    inside = tracks[positives.values]
    return Ragged.from_pairs(positives.row_numbers()[inside], positives.values[inside], len(positives))


def _measure(result: TaskResult, users: Mask, positives: Ragged, settings: EvaluationSettings) -> Recommenders:
    rows = np.flatnonzero(users & (positives.lengths > 0))
    positives = positives.take(rows)
    per_user: dict[str, PerUser | None] = {}
    for name, of_all in result.per_user.items():
        if of_all is None:
            per_user[name] = None
            continue
        if name == RANDOM:
            values = expected_metrics(result.task.n_candidates_per_user[rows], positives.lengths, KS, DEPTH)
        else:
            ranking = result.rankings[name]
            first = Ranking(ranking.tracks[rows, :DEPTH], ranking.scores[rows, :DEPTH])
            values = per_user_metrics(first, positives, KS)
        per_user[name] = {metric: values[metric] for metric in SEGMENT_METRICS}
    return mean_over_users(per_user, settings)
