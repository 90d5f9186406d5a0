"""Champion and challenger on the same requests: paired differences in every task and segment."""

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopback_core.data import NOTHING, Ids, Ragged
from loopback_core.data.ranking import without_scores
from loopback_core.evaluation.profile_segments import profile_segments
from loopback_core.evaluation.segments import track_segments, user_segments
from loopback_core.evaluation.significance import CONFIDENCE, bootstrap_means
from loopback_core.promotion.promotion_json import DifferenceJson, Says
from loopback_core.promotion.translation import Translation
from loopback_core.promotion.window import AskedTask
from loopback_core.recommenders.bundle import Bundle
from loopback_core.recommenders.lists import blocks_of_users
from loopback_core.reranking.reranker import LONGEST
from loopback_core.runtime.progress import progress
from loopback_core.settings import EvaluationSettings
from loopback_core.tasks.metrics import MAIN_METRIC, per_user_metrics
from loopback_core.tasks.task import Task

JUDGED_AT = 10
"""Of the main metric."""

ALL = "all"

SEGMENT_USERS = 30
"""Users whom a segment needs to say anything: of fewer, percentile intervals of the bootstrap are too narrow (Hesterberg 2015), and
there are many segments in which one may err."""


def lists_of(asked: AskedTask, bundle: Bundle, translation: Translation | None, label: str) -> Ids:
    """What a bundle shows to every request, (requests, JUDGED_AT), by ids of the log of the tasks.

    translation: from that log to the bundle; None: they have the same ids. A track that the log does not know is NOTHING.
    """
    with progress(f"{asked.name}: {label}", len(asked.users), "requests") as shown:
        blocks = []
        for task in asked.at:
            for block in _blocks(task, bundle, translation):
                blocks.append(block)
                shown.advance(len(block))
    return np.concatenate(blocks)


def _blocks(task: Task, bundle: Bundle, translation: Translation | None) -> Iterator[Ids]:
    deep = LONGEST if bundle.rerank else JUDGED_AT
    k = min(deep, len(bundle.vectors))
    for histories, exclude in blocks_of_users(task):
        if translation is not None:
            histories = translation.histories(histories, bundle.has_profiles)
            exclude = None if exclude is None else translation.exclude(exclude)
        best = bundle.recommender(task.name).recommend(histories, k, exclude)
        tracks = bundle.shown(task.name, best, histories).tracks[:, :JUDGED_AT]
        if tracks.shape[1] < JUDGED_AT:
            tracks = np.pad(tracks, ((0, 0), (0, JUDGED_AT - tracks.shape[1])), constant_values=NOTHING)
        yield tracks if translation is None else translation.to_log(tracks)


def compare_lists(
    asked: AskedTask,
    champion: Ids,
    challenger: Ids,
    profiles: pl.DataFrame,
    margin: float,
    settings: EvaluationSettings,
) -> list[DifferenceJson]:
    """The task as a whole, then its segments of users and of tracks.

    champion, challenger: (requests, JUDGED_AT) tracks. profiles: of all users, by dense id. margin: a loss that is none, as a
    share of the champion's mean.
    """
    users, positives = asked.users, asked.positives
    first = asked.at[0]
    segments: dict[str, tuple[Ids, Ragged]] = {ALL: (np.arange(len(users)), positives)}
    of_user = user_segments(first.histories) | profile_segments(profiles, first.users)
    place = np.searchsorted(first.users, users)  # who is asked later was asked at the first moment too
    for name, mask in of_user.items():
        segments[name] = np.flatnonzero(mask[place]), positives
    for name, mask in track_segments(first.fit.catalog).items():
        within = _within(positives, mask)
        segments[name] = np.flatnonzero(within.lengths), within
    n_segments = len(segments) - 1
    differences = []
    for name, (rows, of_segment) in segments.items():
        if not len(rows):
            continue
        values = [
            per_user_metrics(without_scores(tracks[rows]), of_segment.take(rows), (JUDGED_AT,))[MAIN_METRIC]
            for tracks in (champion, challenger)
        ]
        confidence = CONFIDENCE if name == ALL else 1 - (1 - CONFIDENCE) / n_segments
        differences.append(_difference(asked.name, name, users[rows], values, confidence, margin, settings))
    return differences


def _difference(
    task: str,
    segment: str,
    users: Ids,
    values: list[NDArray[np.float64]],
    confidence: float,
    margin: float,
    settings: EvaluationSettings,
) -> DifferenceJson:
    champion, challenger = (float(of.mean()) for of in values)
    n_users = len(np.unique(users))
    low = high = None
    if n_users >= (settings.min_users if segment == ALL else max(settings.min_users, SEGMENT_USERS)):
        paired = (values[1] - values[0])[:, None]
        means = bootstrap_means(paired, settings.resamples, settings.seed, users).ravel()
        tail = (1 - confidence) / 2
        low, high = (float(value) for value in np.quantile(means, [tail, 1 - tail]))
    return DifferenceJson(
        task=task,
        segment=segment,
        users=n_users,
        requests=len(users),
        champion=champion,
        challenger=challenger,
        difference=challenger - champion,
        low=low,
        high=high,
        margin=margin * champion,
        says=_says(challenger - champion, low, high, margin * champion),
    )


def _says(difference: float, low: float | None, high: float | None, margin: float) -> Says:
    """Non-inferiority: the whole interval lies above minus the margin. Worse: it lies below zero, and more than the margin is lost.

    The interval is over users and knows nothing of what two trainings of the same data differ by: a loss that is sure and
    within the margin is none.
    """
    if low is None or high is None:
        return "nothing"
    if low > -margin or low == high == 0:
        return "not worse"
    return "worse" if high < 0 and difference < -margin else "nothing"


def _within(positives: Ragged, mask: NDArray[np.bool_]) -> Ragged:
    """The positives of a segment of tracks."""
    inside = mask[positives.values]
    return Ragged.from_pairs(positives.row_numbers()[inside], positives.values[inside], len(positives))
