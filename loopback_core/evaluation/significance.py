"""The uncertainty of means over users and over their requests: bootstrap intervals, paired comparisons, Holm's correction."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict

from loopback_core.data import Ids, Ragged

FloatValues = NDArray[np.float64]

CONFIDENCE = 0.95

NO_DIFFERENCE = 1e-12
"""A smaller sum over the requests of a user is 0: no difference of two metrics is as small."""

CELLS_AT_ONCE = 4_000_000
"""Resampled users held in memory at a time: 2,000 resamples of 1,000,000 users would be 16 GB."""


def bootstrap_means(values: FloatValues, resamples: int, seed: int, user: Ids | None = None) -> FloatValues:
    """Means over the requests of resampled users, (resamples, columns); every column sees the same resampled users.

    A user is drawn with all of their requests, since these are alike: the mean is the sum of all values drawn divided
    by their number. values: (requests, columns), one column per recommender and metric, at least one request. user:
    (requests,) whose each is; None: each is another user's. Efron (1979); by clusters, Davison and Hinkley (1997, 3.8).
    """
    sums, requests = sums_of_users(values, user)
    n_users = len(sums)
    rng = np.random.default_rng(seed)
    rows = max(1, CELLS_AT_ONCE // n_users)
    means = []
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        drawn = rng.integers(n_users, size=(size, n_users)) + np.arange(size)[:, None] * n_users
        times_drawn = np.bincount(drawn.ravel(), minlength=size * n_users).reshape(size, n_users)
        means.append(times_drawn @ sums / (times_drawn @ requests)[:, None])
    return np.concatenate(means)


def sums_of_users(values: FloatValues, user: Ids | None) -> tuple[FloatValues, Ids]:
    """The sums over the requests of each user, (users, columns), and the number of requests, (users,).

    values: (requests, columns). user: (requests,); None: each is another user's.
    """
    if user is None:
        return values, np.ones(len(values), np.int64)
    _, row, requests = np.unique(user, return_inverse=True, return_counts=True)
    of_user = Ragged.from_pairs(row, np.arange(len(user)), len(requests))
    return np.add.reduceat(values[of_user.values], of_user.offsets[:-1], axis=0), requests


def percentile_interval(means: FloatValues) -> tuple[FloatValues, FloatValues]:
    """The low and high end of the 95 % percentile interval of each column, each (columns,)."""
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return low, high


class Mean(TypedDict):
    """A mean over users, or over requests, with its 95 % interval, as in `evaluation.json`; None where there are too few users."""

    value: float | None
    low: float | None
    high: float | None


def mean_of(values: FloatValues, resampled: FloatValues | None) -> Mean:
    """The mean of `values`, (requests,), with the interval of its resampled means, (resamples,), if given."""
    value = float(np.mean(values)) if len(values) else None
    if resampled is None:
        return Mean(value=value, low=None, high=None)
    low, high = percentile_interval(resampled)
    return Mean(value=value, low=float(low), high=float(high))


class Comparison(TypedDict):
    """One recommender against another on the same users, as in `evaluation.json`.

    Interval and p are None where there are too few users.
    """

    difference: float  # mean of the first minus mean of the second
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None  # adjusted for the number of baselines that the first is compared with
    won: int  # users for whom the first is better, by the mean over their requests
    lost: int
    tied: int


def compare(
    differences: Sequence[FloatValues], resampled: Sequence[FloatValues] | None, user: Ids | None = None
) -> list[Comparison]:
    """One recommender against several others by one metric; Holm's correction is over them.

    differences: per other that of every request, (requests,). resampled: per other their means over resampled users,
    (resamples,), or None for neither intervals nor p. user: (requests,) whose each is; None: each is another user's.
    """
    ends: list[tuple[float | None, float | None]] = [(None, None)] * len(differences)
    p: list[float | None] = [None] * len(differences)
    p_holm = list(p)
    if resampled is not None:
        ends = [(float(low), float(high)) for low, high in map(percentile_interval, resampled)]
        raw = [two_sided_p(means) for means in resampled]
        p, p_holm = [*raw], [*holm(raw)]
    sums = [sums_of_users(values[:, None], user)[0] for values in differences]
    of_users = [np.where(np.abs(column) < NO_DIFFERENCE, 0, column).ravel() for column in sums]
    return [
        Comparison(
            difference=float(np.mean(values)),
            low=low,
            high=high,
            p=p[i],
            p_holm=p_holm[i],
            won=int(np.sum(of_users[i] > 0)),
            lost=int(np.sum(of_users[i] < 0)),
            tied=int(np.sum(of_users[i] == 0)),
        )
        for i, (values, (low, high)) in enumerate(zip(differences, ends, strict=True))
    ]


def two_sided_p(mean_differences: FloatValues) -> float:
    """Twice the share of resamples on the far side of zero; the observed sample is counted, so p is never 0."""
    tail = min(np.sum(mean_differences <= 0), np.sum(mean_differences >= 0))
    return float(min(1.0, 2 * (1 + tail) / (1 + len(mean_differences))))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for their number, in the given order. Holm (1979): valid under any dependence."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1)
    return [float(value) for value in adjusted]
