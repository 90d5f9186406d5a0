"""Ranges that every number of an evaluation must lie in, whatever was measured."""

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise

from loopback_core.evaluation.evaluation_json import RollingJson, TaskJson
from loopback_core.evaluation.significance import Mean

SHARES = ("hit_rate", "recall", "precision", "ndcg", "mrr", "map", "coverage", "gini", "artist_diversity", "popularity")
"""Metrics that lie in [0, 1]; all others are at or above 0."""

GROWING = ("hit_rate", "recall", "mrr", "coverage")
"""Metrics that cannot fall as K grows."""

ROUNDING = 1e-9


def faults(tasks: Mapping[str, TaskJson | RollingJson]) -> tuple[list[str], int]:
    """What is wrong with the numbers of `tasks` of evaluation.json, a few words each, and how many were read."""
    wrong: list[str] = []
    read = 0
    for task, measured in tasks.items():
        for recommender, metrics in measured["recommenders"].items():
            means = {metric: mean for metric, mean in (metrics or {}).items() if mean["value"] is not None}
            read += len(means)
            where = f"{recommender} in {task}"
            wrong += [f"{where}: {fault}" for metric, mean in means.items() for fault in _of_one(metric, mean)]
            wrong += [f"{where}: {fault}" for fault in _falling(means)]
    return wrong, read


def _of_one(metric: str, mean: Mean) -> Iterator[str]:
    value, low, high = mean["value"], mean["low"], mean["high"]
    if value is None or not math.isfinite(value):
        yield f"{metric} is {value}"
        return
    top = 1.0 if metric.partition("@")[0] in SHARES else math.inf
    if not -ROUNDING <= value <= top + ROUNDING:
        yield f"{metric} is {value:.4f}"
    if low is not None and high is not None and not low - ROUNDING <= value <= high + ROUNDING:
        yield f"{metric} is {value:.4f}, outside its interval [{low:.4f}, {high:.4f}]"


def _falling(means: Mapping[str, Mean]) -> Iterator[str]:
    for name in GROWING:
        by_k = sorted(
            (int(metric.partition("@")[2]), mean["value"] or 0.0)
            for metric, mean in means.items()
            if metric.startswith(f"{name}@")
        )
        for (k, value), (larger, later) in pairwise(by_k):
            if later < value - ROUNDING:
                yield f"{name}@{larger} is {later:.4f}, below {name}@{k}, {value:.4f}"
