"""An exact test of the evaluator: hits of random lists against the closed form."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Ids
from loopback_core.evaluation.evaluation_json import CalibrationJson, CountJson
from loopback_core.evaluation.random_closed_form import expected_metrics
from loopback_core.recommenders.baselines.random_order import RandomOrder
from loopback_core.recommenders.lists import rank_users
from loopback_core.settings import EvaluationSettings
from loopback_core.tasks.metrics import per_user_metrics
from loopback_core.tasks.task import Task

THRESHOLD = 1e-4
"""Level of all tests together: one correct run in ten thousand fails."""

MOST_LISTS = 20_000
SEEDS = 20

Probabilities = NDArray[np.float64]


def calibrate(tasks: Sequence[Task], settings: EvaluationSettings) -> CalibrationJson:
    """The number of hits of random lists, and how likely it is.

    Lists are drawn with up to SEEDS seeds, at most MOST_LISTS lists, and measured like all others. Two counts over
    users and seeds are tested at every K: lists with a hit, whose probability is the hit rate of the closed form, and
    hits, of which each list has a hypergeometric number. Both are sums of independent counts, so their distribution is
    known exactly. `smallest_p` is two-sided and multiplied by the number
    of tests (Bonferroni); `low` and `high` are the ends of the accepted range of a count.
    """
    calibrated = [task for task in tasks if len(task.users) and task.n_candidates == task.fit.catalog.n_tracks]
    n_tests = 2 * len(settings.ks) * max(len(calibrated), 1)
    counts = {task.name: _calibrate(task, settings, THRESHOLD / n_tests) for task in calibrated}
    smallest = min((test["p"] for tests in counts.values() for test in tests.values()), default=1.0)
    return {
        "seeds": SEEDS,
        "threshold": THRESHOLD,
        "tests": n_tests,
        "smallest_p": min(1.0, smallest * n_tests),
        "tasks": counts,
    }


def _calibrate(task: Task, settings: EvaluationSettings, level: float) -> dict[str, CountJson]:
    n_seeds = max(1, min(SEEDS, MOST_LISTS // len(task.users)))
    N, P = task.n_candidates_per_user, task.positives.lengths
    expected = expected_metrics(N, P, settings.ks, max(settings.ks))
    lists, hits = dict.fromkeys(settings.ks, 0), dict.fromkeys(settings.ks, 0)
    for seed in range(n_seeds):
        ranking = rank_users(RandomOrder(seed=seed).fit(task.fit), task, max(settings.ks))
        measured = per_user_metrics(ranking, task.positives, settings.ks)
        for k in settings.ks:
            lists[k] += int(measured[f"hit_rate@{k}"].sum())
            hits[k] += round(float(measured[f"precision@{k}"].sum()) * k)
    table: dict[str, CountJson] = {}
    for k in settings.ks:
        has_hit = np.stack([1 - expected[f"hit_rate@{k}"], expected[f"hit_rate@{k}"]], axis=1)
        n_hits = hits_of_random_lists(N, P, k)
        for name, chances, observed in (("hit_rate", has_hit, lists[k]), ("hits", n_hits, hits[k])):
            table[f"{name}@{k}"] = exact_test(chances, n_seeds, observed, level)
    return table


def hits_of_random_lists(n_candidates: Ids, n_positives: Ids, k: int) -> Probabilities:
    """The probability of 0, 1, … k hits in k of N candidates, P of them positives, (users, k + 1): hypergeometric.

    n_candidates, n_positives: (users,) N and P. From the ratios of neighbours, P(x + 1) / P(x) = (P - x) (n - x) /
    ((x + 1) (N - P - n + x + 1)) with n = min(k, N), which keep full precision however large the catalog is.
    """
    N, P, n, x = n_candidates[:, None], n_positives[:, None], np.minimum(n_candidates, k)[:, None], np.arange(k)
    up = np.maximum(P - x, 0) * np.maximum(n - x, 0)
    down = (x + 1) * (N - P - n + x + 1)
    with np.errstate(divide="ignore"):  # log(0): more hits than there can be
        steps = np.log(np.where(down > 0, up / np.maximum(down, 1), 1))
    logs = np.concatenate([np.zeros(N.shape), np.cumsum(steps, axis=1)], axis=1)
    logs[np.arange(k + 1) < n - (N - P)] = -np.inf  # fewer hits than there must be
    shares = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float64)


def exact_test(chances: Probabilities, repeats: int, observed: int, level: float) -> CountJson:
    """A count that is a sum of independent counts, against its exact distribution.

    chances: (users, most + 1) the probability that a user's count is 0, 1, …; each is drawn `repeats` times. level:
    the share of correct counts that may lie outside `low` to `high`.
    """
    value = np.arange(chances.shape[1])
    mean = chances @ value
    spread = np.sqrt(repeats * np.sum(chances @ value**2 - mean**2))
    expected = repeats * float(mean.sum())
    start, probability = _sum_of_counts(chances, repeats, expected, float(spread))
    below = np.cumsum(probability)
    counts = start + np.arange(len(probability))
    at_most = float(np.sum(probability[counts <= observed]))
    at_least = float(np.sum(probability[counts >= observed]))
    low, high = (
        counts[min(int(np.searchsorted(below, share)), len(counts) - 1)] for share in (level / 2, 1 - level / 2)
    )
    return {
        "trials": len(chances) * repeats,
        "expected": expected,
        "observed": observed,
        "p": min(1.0, 2 * min(at_most, at_least)),
        "low": float(max(low, 0)),
        "high": float(high),
    }


def _sum_of_counts(chances: Probabilities, repeats: int, expected: float, spread: float) -> tuple[int, Probabilities]:
    """The distribution of the sum in a window of 40 standard deviations: its first value, and the probabilities.

    From the product of the characteristic functions (Hong 2013); what lies outside the window is folded into it,
    and is far below the precision of a float64.
    """
    width = int(40 * spread) + 64
    start = int(expected) - width // 2
    turn = np.exp(-2j * np.pi * np.outer(np.arange(chances.shape[1]), np.arange(width)) / width)
    with np.errstate(divide="ignore"):
        transform = np.exp(repeats * np.log(chances @ turn).sum(axis=0))
    probability = np.fft.ifft(transform).real
    return start, np.clip(np.roll(probability, -(start % width)), 0, None)
