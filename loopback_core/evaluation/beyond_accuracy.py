"""Properties of lists other than accuracy: popularity, diversity, coverage of the catalog."""

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import NOTHING, Ranking
from loopback_core.evaluation.significance import FloatValues, Mean, bootstrap_means, mean_of
from loopback_core.settings import EvaluationSettings
from loopback_core.tasks.task import Task

BEYOND_ACCURACY = {
    "coverage": "coverage@K = candidates that are among the first K of any user / candidates",
    "gini": "gini@K = Gini coefficient of how often each candidate is among the first K of a user: 0 if all are equally "
    "frequent, near 1 if always the same few",
    "novelty": "novelty@K = mean over the first K of -log2(the track's share of all plays in the fit data)",
    "artist_diversity": "artist_diversity@K = 1 - share of the pairs among the first K that are by the same artist",
    "popularity": "popularity@K = mean over the first K of the share of the users of the fit data who played the track",
    "popularity_amplification": "popularity_amplification@K = popularity@K / the same of the user's positives, both as "
    "means over users: 1 if recommended tracks are as popular as played ones",
}
"""Metric -> its formula, as printed in the report."""


def beyond_accuracy(ranking: Ranking, task: Task, settings: EvaluationSettings) -> dict[str, Mean]:
    """Metric@K -> value, for every K of the settings; means over the users with a list.

    ranking: (users, depth). Novelty and popularity are left out where they are not defined: novelty where a candidate is not
    in the fit data, popularity where no candidate is. Coverage and Gini are not means and have no interval.
    """
    has_list = ranking.tracks[:, 0] != NOTHING
    lists, positives = ranking.tracks[has_list], task.positives.take(np.flatnonzero(has_list))
    columns: dict[str, FloatValues] = {}
    of_catalog: dict[str, Mean] = {}
    for k in settings.ks:
        first = lists[:, :k]
        count = np.bincount(first[first != NOTHING], minlength=task.n_candidates)
        of_catalog[f"coverage@{k}"] = Mean(value=float(np.mean(count > 0)) if len(count) else None, low=None, high=None)
        of_catalog[f"gini@{k}"] = Mean(value=gini(count), low=None, high=None)
        columns[f"artist_diversity@{k}"] = artist_diversity(first, task.candidate_artist)
    if not task.first_candidate:
        catalog = task.fit.catalog
        heard = np.zeros(task.n_candidates)
        heard[: catalog.n_tracks] = catalog.listeners / max(catalog.n_users, 1)
        columns |= {f"popularity@{k}": _mean_of_lists(heard, lists[:, :k]) for k in settings.ks}
        if task.n_candidates == catalog.n_tracks:
            surprise = -np.log2(catalog.plays / max(int(catalog.plays.sum()), 1))
            columns |= {f"novelty@{k}": _mean_of_lists(surprise, lists[:, :k]) for k in settings.ks}
        rows = positives.row_numbers()
        columns["played"] = np.bincount(rows, heard[positives.values], minlength=len(lists)) / np.maximum(
            positives.lengths, 1
        )
    return of_catalog | _means(columns, settings)


def gini(counts: NDArray[np.int64]) -> float | None:
    """Gini coefficient of counts, (n,); None without counts. Only counts above 0 are sorted."""
    n, positive = len(counts), np.sort(counts[counts > 0])
    if not len(positive):
        return None
    rank = np.arange(n - len(positive) + 1, n + 1, dtype=np.float64)  # among all counts, zeros first
    return float(2 * np.sum(rank * positive) / (n * positive.sum()) - (n + 1) / n)


def artist_diversity(lists: NDArray[np.int64], artist: NDArray[np.int32]) -> FloatValues:
    """1 - share of the pairs of each list that are by the same artist, (rows,); 1 for a list of one track.

    lists: (rows, K) tracks, NOTHING where a list has ended. artist: (n_candidates,).
    """
    rows, k = lists.shape
    is_track = lists != NOTHING
    # Places after the end of a list get distinct artists, so that they form no pair.
    of_place = np.where(is_track, artist[np.where(is_track, lists, 0)] if len(artist) else 0, -1 - np.arange(k))
    ordered = np.sort(of_place, axis=1)
    begins = np.ones((rows, k), bool)
    begins[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    runs = np.bincount(np.cumsum(begins.ravel()) - 1)
    same = np.bincount(np.nonzero(begins)[0], runs * (runs - 1) / 2, minlength=rows)
    length = is_track.sum(axis=1)
    return np.asarray(1 - same / np.maximum(length * (length - 1) / 2, 1), np.float64)


def _mean_of_lists(value: FloatValues, lists: NDArray[np.int64]) -> FloatValues:
    """Mean of a value over the tracks of each list, (rows,)."""
    is_track = lists != NOTHING
    of_track = np.where(is_track, value[np.where(is_track, lists, 0)], 0.0)
    return np.asarray(of_track.sum(axis=1) / np.maximum(is_track.sum(axis=1), 1), np.float64)


def _means(columns: dict[str, FloatValues], settings: EvaluationSettings) -> dict[str, Mean]:
    """The mean of each column with its interval; the popularity of played tracks is reported as a ratio only."""
    n_users = len(next(iter(columns.values())))
    resampled: dict[str, FloatValues | None] = dict.fromkeys(columns)
    if n_users >= settings.min_users:
        values = np.stack(list(columns.values()), axis=1)
        resampled |= dict(zip(columns, bootstrap_means(values, settings.resamples, settings.seed).T, strict=True))
    means = {name: mean_of(values, resampled[name]) for name, values in columns.items()}
    if (played := means.pop("played", None)) and played["value"]:
        for k in settings.ks:
            popularity, of_played = resampled[f"popularity@{k}"], resampled["played"]
            ratio = None if popularity is None or of_played is None else popularity / np.maximum(of_played, 1e-12)
            value = (means[f"popularity@{k}"]["value"] or 0.0) / played["value"]
            means[f"popularity_amplification@{k}"] = mean_of(np.array([value]), ratio)
    return means
