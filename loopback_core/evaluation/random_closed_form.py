"""What a uniformly random order of the candidates scores on average: exact, without drawing."""

from collections.abc import Sequence

import numpy as np

from loopback_core.data import Ids
from loopback_core.tasks.metrics import DEEP_CUTOFFS, PerUser, discount, ideal_gain


def expected_metrics(n_candidates: Ids, n_positives: Ids, ks: Sequence[int], depth: int) -> PerUser:
    """The expectation of every metric of :mod:`metrics` for lists of up to `depth` random candidates.

    n_candidates: (users,) N, the tracks that the user could be shown. n_positives: (users,) 1 <= |P| <= N of them.

    With p = |P| / N and all ranks i up to min(K, N):
    hit rate H(K) = 1 - C(N - |P|, K) / C(N, K) = 1 - product of (1 - |P| / (N - i + 1)); recall min(K, N) / N;
    precision p min(K, N) / K; nDCG p sum of 1 / log2(i + 1), over the ideal; MRR sum of (H(i) - H(i - 1)) / i;
    MAP sum of p (1 + (i - 1) (|P| - 1) / (N - 1)) / i, over min(K, |P|).

    Raises:
        ValueError: a user has no positive, or more positives than candidates.
    """
    if np.any(n_positives < 1) or np.any(n_positives > n_candidates):
        raise ValueError("Every scored user needs at least one positive, and every positive must be a candidate.")
    longest = max(depth, *ks)
    rank = np.arange(1, longest + 1)
    N, P = n_candidates[:, None].astype(np.float64), n_positives[:, None].astype(np.float64)
    exists = rank <= N  # past the last candidate there is no rank
    share = P / N * exists

    with np.errstate(divide="ignore"):  # log(0): with so many positives a hit is certain
        log_miss = np.log1p(-np.minimum(P / np.maximum(N - rank + 1, 1), 1))
    hit_rate = -np.expm1(np.cumsum(log_miss, axis=1))
    hits = np.cumsum(share, axis=1)
    gain = np.cumsum(share * discount(longest), axis=1)
    reciprocal = np.cumsum(np.diff(hit_rate, axis=1, prepend=0) / rank, axis=1)
    precision_at_hits = np.cumsum(share * (1 + (rank - 1) * (P - 1) / np.maximum(N - 1, 1)) / rank, axis=1)

    values: PerUser = {}
    for k in ks:
        values[f"hit_rate@{k}"] = hit_rate[:, k - 1]
        values[f"recall@{k}"] = hits[:, k - 1] / n_positives
        values[f"precision@{k}"] = hits[:, k - 1] / k
        values[f"ndcg@{k}"] = gain[:, k - 1] / ideal_gain(n_positives, k)
        values[f"mrr@{k}"] = reciprocal[:, k - 1]
        values[f"map@{k}"] = precision_at_hits[:, k - 1] / np.minimum(n_positives, k)
    for k in DEEP_CUTOFFS:
        if k <= depth:
            values[f"recall@{k}"] = hits[:, k - 1] / n_positives
    return values
