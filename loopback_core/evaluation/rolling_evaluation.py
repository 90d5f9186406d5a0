"""Recommenders asked at several moments: metrics of every request, means and comparisons by users with their requests."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from loopback_core.data import SECONDS_PER_DAY, Ids, Ragged
from loopback_core.data.ranking import without_scores
from loopback_core.evaluation.evaluation_json import AgeJson, RollingJson
from loopback_core.evaluation.evaluator import compare_stages, compare_with_others, mean_over_users
from loopback_core.evaluation.random_closed_form import expected_metrics
from loopback_core.recommenders.lists import RANDOM, ROLLING_DEPTH
from loopback_core.settings import EvaluationSettings
from loopback_core.tasks.metrics import MAIN_METRIC, PerUser, find_hits, metrics_of_hits
from loopback_core.tasks.rolling import RollingRequests, RollingTask

ROLLING_KS = (10, 100)

ROLLING_METRICS = tuple(f"{metric}@{k}" for k in ROLLING_KS for metric in ("ndcg", "recall", "hit_rate"))

REQUESTS_FILE = "requests.parquet"

REST, NEAR = "rest", "near"
"""The two sets of positives of a moment: the whole rest of the period, and the next days."""


@dataclass(frozen=True)
class RollingResult:
    """The measurements of one task at its moments, with one set of positives."""

    requests: RollingRequests  # those with a positive
    per_request: dict[str, PerUser | None]  # recommender -> metric -> (requests,)
    days: tuple[float, ...]  # of each moment, since the end of the fit data

    def as_json(self, n_moments: int, settings: EvaluationSettings) -> RollingJson:
        """Means over requests and paired differences, with intervals by users."""
        users = self.requests.users
        return {
            "moments": n_moments,
            "requests": len(users),
            "users": len(np.unique(users)),
            "recommenders": mean_over_users(self.per_request, settings, users),
            "paired": compare_with_others(self.per_request, settings, users),
            "stages": compare_stages(self.per_request, settings, users),
            "by_age": self._by_age(settings.min_users),
        }

    def _by_age(self, min_users: int) -> list[AgeJson]:
        """The moments that enough users were asked at; a user is asked once at each."""
        rows = [np.flatnonzero(self.requests.moments == moment) for moment in range(len(self.days))]
        return [
            AgeJson(
                days=days,
                requests=len(of_moment),
                values={
                    name: float(values[MAIN_METRIC][of_moment].mean())
                    for name, values in self.per_request.items()
                    if values is not None
                },
            )
            for days, of_moment in zip(self.days, rows, strict=True)
            if len(of_moment) >= min_users
        ]


def evaluate_moments(
    rolling: RollingTask, rankings: Iterable[tuple[str, Ids | None]], horizon_days: float
) -> dict[str, RollingResult]:
    """Measure lists on the rest of the period and on the next days; REST or NEAR -> what was measured.

    rankings: (recommender, its lists at every request, (requests, ROLLING_DEPTH)), read one at a time; None for one that
    cannot answer the task. Users without a positive in a set are left out of it; where nobody has one, so is the set.
    """
    requests = rolling.requests
    days = tuple((now - rolling.now[0]) / SECONDS_PER_DAY for now in rolling.now)
    candidates, rest, near = [], [], []
    for moment in range(len(rolling)):  # one at a time: histories are long
        task = rolling.at(moment)
        candidates.append(task.n_candidates_per_user)
        rest.append(task.positives)
        near.append(rolling.near(moment, task.users, horizon_days))
    n_candidates, positives = np.concatenate(candidates), {REST: _stacked(rest), NEAR: _stacked(near)}
    rows = {name: np.flatnonzero(of.lengths) for name, of in positives.items()}
    positives = {name: of.take(rows[name]) for name, of in positives.items() if len(rows[name])}
    per_request: dict[str, dict[str, PerUser | None]] = {name: {} for name in positives}
    for recommender, tracks in rankings:
        for name, of in positives.items():
            per_request[name][recommender] = None if tracks is None else _measure(tracks[rows[name]], of)
    for name, of in positives.items():
        expected = expected_metrics(n_candidates[rows[name]], of.lengths, ROLLING_KS, ROLLING_DEPTH)
        per_request[name][RANDOM] = {metric: expected[metric] for metric in ROLLING_METRICS}
    return {
        name: RollingResult(RollingRequests(requests.users[rows[name]], requests.moments[rows[name]]), values, days)
        for name, values in per_request.items()
    }


def requests_table(results: dict[str, dict[str, RollingResult]]) -> pl.DataFrame:
    """task, positives (REST or NEAR), recommender, user, moment and every metric: a row for each request.

    results: task -> positives. user: the dense id of the splits.
    """
    frames = [
        pl.DataFrame(
            {
                "user": result.requests.users.astype(np.int32),
                "moment": result.requests.moments.astype(np.int16),
                **{metric: values[metric] for metric in ROLLING_METRICS},
            }
        ).select(
            pl.lit(task).alias("task"), pl.lit(name).alias("positives"), pl.lit(one).alias("recommender"), pl.all()
        )
        for task, of_task in results.items()
        for name, result in of_task.items()
        for one, values in result.per_request.items()
        if values is not None
    ]
    return pl.concat(frames)


def _measure(tracks: Ids, positives: Ragged) -> PerUser:
    hits = find_hits(without_scores(tracks), positives)
    measured = metrics_of_hits(hits, positives.lengths, ROLLING_KS)
    return {metric: measured[metric] for metric in ROLLING_METRICS}


def _stacked(rows: list[Ragged]) -> Ragged:
    """The rows of all, one under another."""
    lengths = np.concatenate([one.lengths for one in rows])
    return Ragged(
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), np.concatenate([one.values for one in rows])
    )
