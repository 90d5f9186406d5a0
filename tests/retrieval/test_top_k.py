import numpy as np
import pytest

from loopback_core.data import NOTHING, Ragged
from loopback_core.retrieval import top_k as module
from loopback_core.retrieval.top_k import rank_rows, tie_order, top_k, top_k_sparse
from loopback_core.runtime import in_threads as threads


def ragged(*rows):
    numbers = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    return Ragged.from_pairs(numbers, np.array([value for row in rows for value in row], np.int64), len(rows))


def sorted_by_hand(scores, k, tie_rank, excluded):
    tracks = [t for t in range(len(scores)) if t not in excluded and scores[t] > -np.inf]
    best = sorted(tracks, key=lambda t: (-scores[t], tie_rank[t]))[:k]
    return best + [NOTHING] * (k - len(best))


def test_the_best_tracks_come_first_with_their_scores():
    ranking = top_k(np.array([[0.1, 0.9, 0.5]], np.float32), 2, np.arange(3))
    assert ranking.tracks.tolist() == [[1, 2]]
    assert ranking.scores.tolist() == [[np.float32(0.9), np.float32(0.5)]]


def test_equal_scores_follow_the_permutation():
    tie_rank = np.array([3, 1, 0, 2])
    assert top_k(np.zeros((1, 4), np.float32), 4, tie_rank).tracks.tolist() == [[2, 1, 3, 0]]
    assert top_k(np.zeros((1, 4), np.float32), 2, tie_rank).tracks.tolist() == [[2, 1]]


def test_a_list_ends_in_nothing_when_candidates_run_out():
    scores = np.array([[0.5, -np.inf, 0.7, 0.1]], np.float32)
    ranking = top_k(scores, 4, np.arange(4), ragged([3, 3, 1000]))  # 1000 is no track of this catalog
    assert ranking.tracks.tolist() == [[2, 0, NOTHING, NOTHING]]
    assert ranking.scores[0, 2:].tolist() == [-np.inf, -np.inf]


def test_the_scores_handed_in_are_not_changed():
    scores = np.array([[3.0, 2.0, 1.0]], np.float32)
    top_k(scores, 1, np.arange(3), ragged([0]))
    assert scores.tolist() == [[3.0, 2.0, 1.0]]


@pytest.mark.parametrize("k", [1, 7, 40, 60])
def test_top_k_is_what_a_full_sort_gives(k):
    rng = np.random.default_rng(k)
    n, rows = 50, 30
    scores = rng.integers(0, 4, (rows, n)).astype(np.float32)  # four values: nearly everything ties
    scores[rng.random((rows, n)) < 0.1] = -np.inf
    exclude = ragged(*[rng.choice(n, rng.integers(0, n), replace=False).tolist() for _ in range(rows)])
    tie_rank = tie_order(n, seed=k)
    found = top_k(scores, k, tie_rank, exclude).tracks.tolist()
    assert found == [sorted_by_hand(scores[i], k, tie_rank, set(exclude[i].tolist())) for i in range(rows)]


def test_a_few_candidates_rank_as_they_would_in_a_dense_block():
    rng = np.random.default_rng(0)
    n, rows = 30, 20
    dense = np.where(rng.random((rows, n)) < 0.4, rng.integers(0, 3, (rows, n)), -np.inf)
    row, track = np.nonzero(dense > -np.inf)
    candidates, scores = Ragged.from_pairs(row, track, rows), dense[row, track]
    exclude = ragged(*[rng.choice(n, 5, replace=False).tolist() for _ in range(rows)])
    sparse = top_k_sparse(candidates, scores, 8, tie_order(n, 0), exclude)
    block = top_k(dense, 8, tie_order(n, 0), exclude)
    assert sparse.tracks.tolist() == block.tracks.tolist()
    assert sparse.scores.tolist() == block.scores.tolist()


def test_a_user_without_candidates_gets_an_empty_list():
    ranking = top_k_sparse(ragged([], [1]), np.array([0.5]), 2, np.arange(3))
    assert ranking.tracks.tolist() == [[NOTHING, NOTHING], [1, NOTHING]]


def test_scores_are_compared_in_their_own_precision():
    scores = np.array([[1.0, 1.0 + 1e-12]])  # equal as float32
    assert top_k(scores, 1, np.arange(2)).tracks.tolist() == [[1]]


def test_a_score_that_is_not_a_number_is_refused():
    with pytest.raises(ValueError, match="not a number"):
        rank_rows([(np.arange(2), np.array([1.0, np.nan]))], 1, 1, np.arange(2))


def test_the_permutation_is_one_per_seed():
    assert sorted(tie_order(100, 0)) == list(range(100))
    assert tie_order(100, 0).tolist() == tie_order(100, 0).tolist()
    assert tie_order(100, 0).tolist() != tie_order(100, 1).tolist()


@pytest.mark.parametrize("levels", [3, 50, 10**9], ids=["many ties", "some ties", "no ties"])
def test_a_long_row_is_ranked_as_a_short_one(levels):
    rng = np.random.default_rng(levels)
    scores = rng.integers(0, levels, size=(2, 6000)).astype(np.float32)
    scores[0, :5500] = -np.inf  # nearly nothing is a candidate
    exclude = ragged(rng.permutation(6000)[:100].tolist(), rng.permutation(6000)[:3000].tolist())
    tie_rank = tie_order(6000, 0)
    found = top_k(scores, 5, tie_rank, exclude)
    for row in range(2):
        assert found.tracks[row].tolist() == sorted_by_hand(scores[row], 5, tie_rank, set(exclude[row].tolist()))


def test_long_rows_are_ranked_by_several_threads_as_by_one(monkeypatch):
    rng = np.random.default_rng(0)
    scores, tie_rank = rng.integers(0, 40, (9, 500)).astype(np.float32), tie_order(500, 0)
    exclude = Ragged(np.arange(0, 100, 10), rng.integers(0, 600, 90))
    alone = top_k(scores, 20, tie_rank, exclude)
    monkeypatch.setattr(module, "LONG_ROW", 100)
    monkeypatch.setattr(threads, "compute_threads", lambda: {"blas": 3})
    together = top_k(scores, 20, tie_rank, exclude)
    assert np.array_equal(alone.tracks, together.tracks) and np.array_equal(alone.scores, together.scores)
    scores[4, 7] = np.nan
    with pytest.raises(ValueError, match="not a number"):
        top_k(scores, 20, tie_rank)
