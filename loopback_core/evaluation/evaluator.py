"""Measure the lists of recommenders on a task: metrics per user, means with intervals, paired comparisons."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopback_core.data import NOTHING, Ids, Ranking
from loopback_core.evaluation.beyond_accuracy import beyond_accuracy
from loopback_core.evaluation.random_closed_form import expected_metrics
from loopback_core.evaluation.significance import Comparison, Mean, bootstrap_means, compare, mean_of
from loopback_core.recommenders.lists import (
    DEPTH,
    OTHER_PRESET,
    RANDOM,
    SERVED,
    THROUGH_INDEX,
    TOWERS,
    TOWERS_ALONE_ID,
    is_ours,
)
from loopback_core.settings import EvaluationSettings
from loopback_core.tasks.metrics import PerUser, per_user_metrics
from loopback_core.tasks.task import Task

LIST_LENGTH = 100
"""Recommendations of each user that are kept after measuring."""


@dataclass(frozen=True)
class TaskResult:
    """The measurements of one task. A recommender that cannot answer the task is None."""

    task: Task
    per_user: dict[str, PerUser | None]  # recommender -> metric -> (users,)
    means: dict[str, dict[str, Mean] | None]
    comparisons: dict[str, dict[str, Comparison]]  # baseline or other preset -> metric -> the towers minus that one
    rankings: dict[str, Ranking]  # the first LIST_LENGTH tracks; `random` is a closed form and has no lists

    def recommendations(self) -> pl.DataFrame:
        """task, recommender, user, rank from 1, track, score, in the ids of the log, best first."""
        frames = []
        for name, ranking in self.rankings.items():
            row, place = np.nonzero(ranking.tracks != NOTHING)
            tracks = ranking.tracks[row, place] + self.task.first_candidate
            columns = {"user": self.task.users[row], "rank": place + 1, "track": tracks}
            frame = pl.DataFrame({**columns, "score": ranking.scores[row, place]})
            frames.append(frame.select(pl.lit(self.task.name).alias("task"), pl.lit(name).alias("recommender"), "*"))
        return pl.concat(frames)


def evaluate_task(
    task: Task,
    rankings: Iterable[tuple[str, Ranking | None]],
    settings: EvaluationSettings,
    depth: int = DEPTH,
) -> TaskResult:
    """Measure the lists of recommenders, and the closed form of the random one, on one task.

    rankings: (recommender, its lists of at least the largest K), read one at a time so that only one is in memory at
    full depth; None for one that cannot answer the task. depth: that of the random lists; recall at 500 and 1000 is
    measured where the depth reaches.
    """
    per_user: dict[str, PerUser | None] = {}
    shown: dict[str, Ranking] = {}
    beyond: dict[str, dict[str, Mean]] = {}
    for name, ranking in rankings:
        per_user[name] = None if ranking is None else per_user_metrics(ranking, task.positives, settings.ks)
        if ranking is not None:
            beyond[name] = beyond_accuracy(ranking, task, settings)
            shown[name] = Ranking(ranking.tracks[:, :LIST_LENGTH].copy(), ranking.scores[:, :LIST_LENGTH].copy())
    n_candidates = task.n_candidates_per_user
    per_user[RANDOM] = expected_metrics(n_candidates, task.positives.lengths, settings.ks, max(depth, *settings.ks))
    means = mean_over_users(per_user, settings)
    for name, of_lists in beyond.items():
        means[name] = {**(means[name] or {}), **of_lists}
    return TaskResult(task, per_user, means, compare_with_others(per_user, settings), shown)


def mean_over_users(
    per_user: Mapping[str, PerUser | None], settings: EvaluationSettings, user: Ids | None = None
) -> dict[str, dict[str, Mean] | None]:
    """The mean of every metric with its interval, from the same resampled users for every recommender.

    user: (requests,) whose each value is, where a user has several; None: each is another user's.
    """
    columns = {(name, metric): values for name, m in per_user.items() if m for metric, values in m.items()}
    resampled = _resample(columns, settings, user)
    return {
        name: None
        if m is None
        else {
            metric: mean_of(columns[name, metric], None if resampled is None else resampled[name, metric])
            for metric in m
        }
        for name, m in per_user.items()
    }


Columns = dict[tuple[str, str], NDArray[np.float64]]
"""(recommender, metric) -> one value per user, or per resample of the users."""


def _resample(columns: Columns, settings: EvaluationSettings, user: Ids | None) -> Columns | None:
    """Means over resampled users, the same ones for every column; None when there are too few users."""
    values = np.stack(list(columns.values()), axis=1)
    if len(values if user is None else np.unique(user)) < settings.min_users:
        return None
    means = bootstrap_means(values, settings.resamples, settings.seed, user)
    return dict(zip(columns, means.T, strict=True))


def compare_with_others(
    per_user: Mapping[str, PerUser | None], settings: EvaluationSettings, user: Ids | None = None
) -> dict[str, dict[str, Comparison]]:
    """The towers against each baseline and each other preset, which are two families: another preset in the home must not
    change the corrected p of a baseline. user: as in :func:`mean_over_users`."""
    towers = per_user.get(SERVED)
    if towers is None or not all(len(values) for values in towers.values()):
        return {}
    answered = {name: m for name, m in per_user.items() if m is not None}
    baselines = {name: m for name, m in answered.items() if not is_ours(name)}
    presets = {name: m for name, m in answered.items() if name.startswith(OTHER_PRESET)}
    comparisons: dict[str, dict[str, Comparison]] = {}
    for family in (baselines, presets):
        differences = {name: {metric: towers[metric] - m[metric] for metric in towers} for name, m in family.items()}
        comparisons |= compare_over_users(differences, settings, user)
    return comparisons


def compare_stages(
    per_user: Mapping[str, PerUser | None], settings: EvaluationSettings, user: Ids | None = None
) -> dict[str, dict[str, Comparison]]:
    """What each stage adds to the one before, which are one family: stage -> metric.

    `score`: the linear score minus the towers alone. `ranker`: what is served minus the linear score. user: as in
    :func:`mean_over_users`.
    """
    through_index = per_user.get(THROUGH_INDEX)
    linear = per_user.get(TOWERS) or through_index  # at several moments candidates are found through the index alone
    steps = {
        "score": (linear, per_user.get(TOWERS_ALONE_ID)),
        "ranker": (per_user.get(SERVED), through_index or linear),
    }
    differences = {
        stage: {metric: after[metric] - before[metric] for metric in after}
        for stage, (after, before) in steps.items()
        if after is not None and before is not None and all(len(values) for values in after.values())
    }
    return compare_over_users(differences, settings, user)


def compare_over_users(
    differences_of: Mapping[str, PerUser], settings: EvaluationSettings, user: Ids | None = None
) -> dict[str, dict[str, Comparison]]:
    """One recommender against a family of others by every metric; Holm's correction is over the family.

    differences_of: other -> metric -> (requests,) differences, at least one, taken before resampling, so that ties
    are exact. user: as in :func:`mean_over_users`.
    """
    differences = {(name, metric): values for name, m in differences_of.items() for metric, values in m.items()}
    table: dict[str, dict[str, Comparison]] = {name: {} for name in differences_of}
    resampled = _resample(differences, settings, user) if differences else None
    for metric in dict.fromkeys(metric for _, metric in differences):
        keys = [(name, metric) for name in differences_of]
        of_resamples = None if resampled is None else [resampled[key] for key in keys]
        comparisons = compare([differences[key] for key in keys], of_resamples, user)
        for name, comparison in zip(differences_of, comparisons, strict=True):
            table[name][metric] = comparison
    return table
