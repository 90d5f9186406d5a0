"""Exact top-k with one tie-break for everyone."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import NOTHING, Ids, Ragged, Ranking
from loopback_core.runtime.in_threads import in_threads

Scores = NDArray[np.float32] | NDArray[np.float64]

USERS_AT_ONCE = 32
"""Users whose products with all candidates are held."""

LONG_ROW = 1 << 17
"""Candidates from which on rows are ranked by several threads."""

BLOCK = 256
"""In rows much longer than k, the best of every block of this size gives a bound for the k best."""


def tie_order(n: int, seed: int) -> Ids:
    """The place of every track in one seeded permutation of a catalog of n tracks, (n,): of equals the lower wins."""
    return np.random.default_rng(seed).permutation(n)


def top_k(scores: Scores, k: int, tie_rank: Ids, exclude: Ragged | None = None) -> Ranking:
    """The k best columns of every row of a dense block.

    scores: (rows, n), -inf where a track is no candidate; not changed. tie_rank: (n,) from :func:`tie_order`.
    exclude: per row the tracks to leave out; ids from n on are ignored.

    Raises:
        ValueError: a score is not a number.
    """
    everything, ranking = np.arange(scores.shape[1]), no_ranking(len(scores), k)

    def rank(i: int) -> None:
        row = scores[i]
        if exclude is not None:
            row = row.copy()
            row[exclude[i][exclude[i] < len(row)]] = -np.inf
        _refuse_nan(row)
        _put(ranking, i, everything, row, tie_rank)

    rows = range(len(scores))
    if scores.shape[1] < LONG_ROW:
        for row in rows:
            rank(row)
    else:
        in_threads(rank, rows)
    return ranking


def top_k_sparse(candidates: Ragged, scores: Scores, k: int, tie_rank: Ids, exclude: Ragged | None = None) -> Ranking:
    """The k best of a few scored candidates per row.

    candidates: rows of distinct track ids. scores: (total,) aligned with candidates.values. The rest as in :func:`top_k`.
    """
    ends = candidates.offsets
    rows = ((candidates[i], scores[ends[i] : ends[i + 1]]) for i in range(len(candidates)))
    return rank_rows(rows, len(candidates), k, tie_rank, exclude)


def rank_rows(
    rows: Iterable[tuple[Ids, Scores]], n_rows: int, k: int, tie_rank: Ids, exclude: Ragged | None = None
) -> Ranking:
    """The k best of each row's (ids, scores), taken one row at a time, so that only one needs to be in memory.

    Scores are compared in the precision they come in and returned as float32.

    Raises:
        ValueError: a score is not a number.
    """
    ranking = no_ranking(n_rows, k)
    excluded = np.zeros(len(tie_rank), np.bool_)
    for i, (ids, scores) in enumerate(rows):
        _refuse_nan(scores)
        if exclude is not None:
            out = exclude[i][exclude[i] < len(tie_rank)]
            excluded[out] = True
            scores = np.where(excluded[ids], -np.inf, scores)
            excluded[out] = False
        _put(ranking, i, ids, scores, tie_rank)
    return ranking


def _refuse_nan(scores: Scores) -> None:
    if np.isnan(scores).any():
        raise ValueError("A recommender gave a score that is not a number.")


def _put(ranking: Ranking, row: int, ids: Ids, scores: Scores, tie_rank: Ids) -> None:
    """Write the best of some scored ids into a row of a ranking."""
    best = _best(ids, scores, ranking.tracks.shape[1], tie_rank)
    ranking.tracks[row, : len(best)] = ids[best]
    ranking.scores[row, : len(best)] = scores[best]


def no_ranking(n_rows: int, k: int) -> Ranking:
    """A ranking of n_rows lists in which nothing stands yet."""
    return Ranking(np.full((n_rows, k), NOTHING, np.int64), np.full((n_rows, k), -np.inf, np.float32))


def _best(ids: Ids, scores: Scores, k: int, tie_rank: Ids) -> Ids:
    """Positions of the k best candidates, best first. Linear in the number of scores, however many of them tie."""
    if len(scores) > 2 * BLOCK * k:
        # The k-th best of the blocks' best is a bound that at least k scores reach, and few others do.
        blocks = scores[: len(scores) // BLOCK * BLOCK].reshape(-1, BLOCK).max(axis=1)
        bound = np.partition(blocks, len(blocks) - k)[len(blocks) - k]
        hopeful = np.flatnonzero(scores >= bound)
        if len(hopeful) < len(scores) // 2:
            of_hopeful: Ids = hopeful[_best(ids[hopeful], scores[hopeful], k, tie_rank)]
            return of_hopeful
    given = scores[scores > -np.inf]  # a partition is slow where one value stands for most
    threshold = np.partition(given, -k)[-k] if len(given) > k else -np.inf
    if threshold == -np.inf:
        best = np.flatnonzero(scores > -np.inf)
    else:
        above = np.flatnonzero(scores > threshold)
        ties = np.flatnonzero(scores == threshold)
        missing = k - len(above)  # at least one: the threshold itself is the k-th best
        if len(ties) > missing:
            ties = ties[np.argpartition(tie_rank[ids[ties]], missing - 1)[:missing]]
        best = np.concatenate([above, ties])
    return best[np.lexsort((tie_rank[ids[best]], -scores[best]))]
