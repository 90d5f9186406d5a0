from math import log2

import numpy as np
import pytest

from loopback_core.data import NOTHING, Ragged, Ranking
from loopback_core.tasks.metrics import METRICS, per_user_metrics


def metrics(lists, positives, ks):
    rows = np.repeat(np.arange(len(positives)), [len(p) for p in positives])
    values = np.array([track for p in positives for track in p], np.int64)
    tracks = np.array(lists, np.int64)
    return per_user_metrics(
        Ranking(tracks, np.zeros(tracks.shape, np.float32)), Ragged.from_pairs(rows, values, len(positives)), ks
    )


def test_every_metric_of_a_list_with_hits_at_ranks_2_and_4():
    m = metrics([[5, 9, 2, 7]], [[9, 7, 1]], [1, 2, 4])
    assert m["hit_rate@1"] == [0]
    assert m["hit_rate@2"] == [1]
    assert m["recall@2"] == [1 / 3]
    assert m["recall@4"] == [2 / 3]
    assert m["precision@2"] == [1 / 2]
    assert m["precision@4"] == [2 / 4]
    assert m["ndcg@2"] == pytest.approx([(1 / log2(3)) / (1 + 1 / log2(3))])
    assert m["ndcg@4"] == pytest.approx([(1 / log2(3) + 1 / log2(5)) / (1 + 1 / log2(3) + 1 / log2(4))])
    assert m["mrr@1"] == [0]
    assert m["mrr@4"] == [1 / 2]
    assert m["map@2"] == [(1 / 2) / 2]
    assert m["map@4"] == pytest.approx([(1 / 2 + 2 / 4) / 3])


def test_an_empty_list_scores_zero_everywhere():
    m = metrics([[NOTHING, NOTHING, NOTHING]], [[0, 1]], [1, 3])
    assert len(m) == 2 * len(METRICS)
    assert {float(values[0]) for values in m.values()} == {0.0}


def test_missing_positions_are_misses():
    m = metrics([[4, NOTHING, NOTHING, NOTHING]], [[4, 8]], [4])
    assert m["precision@4"] == [1 / 4]
    assert m["recall@4"] == [1 / 2]
    assert m["ndcg@4"] == pytest.approx([1 / (1 + 1 / log2(3))])


def test_a_list_of_hits_only_is_perfect_though_most_positives_do_not_fit_in_it():
    m = metrics([[3, 1]], [[0, 1, 2, 3, 4]], [2])
    assert m["ndcg@2"] == [1]
    assert m["map@2"] == [1]
    assert m["precision@2"] == [1]
    assert m["recall@2"] == [2 / 5]


def test_a_k_beyond_the_depth_counts_the_missing_ranks_as_misses():
    m = metrics([[3, 1]], [[3, 1, 0]], [4])
    assert m["precision@4"] == [2 / 4]
    assert m["recall@4"] == [2 / 3]


def test_the_positives_of_one_user_are_no_hits_for_another():
    m = metrics([[0, 1], [0, 1]], [[0], [1]], [1])
    assert m["hit_rate@1"].tolist() == [1, 0]


def test_recall_is_measured_deep_down_only_where_lists_are_that_deep():
    shallow = metrics([list(range(499))], [[498]], [10])
    assert not {"recall@500", "recall@1000"} & set(shallow)
    deep = metrics([list(range(1000))], [[499, 500]], [10])
    assert deep["recall@500"] == [1 / 2]
    assert deep["recall@1000"] == [1]


def test_a_user_without_positives_cannot_be_scored():
    with pytest.raises(ValueError, match="at least one positive"):
        metrics([[0], [0]], [[0], []], [1])
