"""Metrics of ranked lists, one definition each, one value per user."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import NOTHING, Ids, Ragged, Ranking

PerUser = dict[str, NDArray[np.float64]]
"""Metric such as 'ndcg@10' -> (users,) values."""

MAIN_METRIC = "ndcg@10"
"""Tunes the baselines, picks the rival and decides the verdict."""

DEEP_CUTOFFS = (500, 1000)
"""Recall alone is measured here too, when lists are that long: a retriever feeds a ranker."""

METRICS = {
    "hit_rate": "hit_rate@K = 1 if any of the first K is a positive, else 0",
    "recall": "recall@K = positives among the first K / positives of the user",
    "precision": "precision@K = positives among the first K / K",
    "ndcg": "ndcg@K = sum over the hits at rank i <= K of 1 / log2(i + 1), "
    "divided by the same sum over the ranks 1 to min(K, positives)",
    "mrr": "mrr@K = 1 / rank of the first positive among the first K, 0 if there is none",
    "map": "map@K = sum over the hits at rank i <= K of precision@i, divided by min(K, positives)",
}
"""Metric -> its formula, as printed in the report."""


def per_user_metrics(ranking: Ranking, positives: Ragged, ks: Sequence[int]) -> PerUser:
    """Every metric at every K for every user. A list shorter than K is not padded: what is missing is a miss.

    ranking: (users, depth). positives: per user at least one distinct track. ks: cut-offs K.

    Raises:
        ValueError: a user has no positive, so that recall is undefined.
    """
    return metrics_of_hits(find_hits(ranking, positives), positives.lengths, ks)


def metrics_of_hits(hit: NDArray[np.bool_], n_positives: Ids, ks: Sequence[int]) -> PerUser:
    """The same from where lists have a positive. hit: (users, depth). n_positives: (users,)."""
    if np.any(n_positives == 0):
        raise ValueError("Every scored user needs at least one positive.")
    rank = np.arange(1, hit.shape[1] + 1)
    hits = np.cumsum(hit, axis=1)
    gain = np.cumsum(hit * discount(len(rank)), axis=1)
    precision_at_hits = np.cumsum(hit * hits / rank, axis=1)
    first = np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, np.inf)

    values: PerUser = {}
    for k in ks:
        last = min(k, len(rank)) - 1
        reachable = np.minimum(n_positives, k)
        values[f"hit_rate@{k}"] = (hits[:, last] > 0).astype(np.float64)
        values[f"recall@{k}"] = hits[:, last] / n_positives
        values[f"precision@{k}"] = hits[:, last] / k
        values[f"ndcg@{k}"] = gain[:, last] / ideal_gain(n_positives, k)
        values[f"mrr@{k}"] = np.where(first <= k, 1 / first, 0.0)
        values[f"map@{k}"] = precision_at_hits[:, last] / reachable
    for k in DEEP_CUTOFFS:
        if k <= len(rank):
            values[f"recall@{k}"] = hits[:, k - 1] / n_positives
    return values


def find_hits(ranking: Ranking, positives: Ragged) -> NDArray[np.bool_]:
    """Where a recommended track is a positive of that user, (users, depth).

    Every row marks its positives in one table of all tracks: nothing is sorted, however many positives there are.
    """
    tracks = ranking.tracks
    n = int(max(tracks.max(initial=NOTHING), positives.values.max(initial=NOTHING))) + 1
    wanted = np.zeros(n + 1, np.bool_)  # the last place is that of NOTHING, and never marked
    hit = np.empty(tracks.shape, np.bool_)
    for row, recommended in enumerate(tracks):
        wanted[positives[row]] = True
        hit[row] = wanted[recommended]
        wanted[positives[row]] = False
    return hit


def discount(k: int) -> NDArray[np.float64]:
    """1 / log2(i + 1) of the ranks i = 1 to k, (k,)."""
    return 1 / np.log2(np.arange(2, k + 2))


def ideal_gain(n_positives: Ids, k: int) -> NDArray[np.float64]:
    """The largest discounted gain that a list of k can have, (users,)."""
    best: NDArray[np.float64] = np.cumsum(discount(k))[np.minimum(n_positives, k) - 1]
    return best
