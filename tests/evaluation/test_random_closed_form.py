from itertools import permutations
from math import comb

import numpy as np
import pytest

from loopback_core.data import NOTHING, Events, FitData, Histories, Ragged, Ranking
from loopback_core.evaluation.random_closed_form import expected_metrics
from loopback_core.recommenders.baselines import RandomOrder
from loopback_core.splits.catalog_counts import count_catalog
from loopback_core.tasks.metrics import per_user_metrics


@pytest.mark.parametrize(("n", "n_positives"), [(1, 1), (4, 1), (5, 2), (6, 5), (5, 5)])
def test_the_closed_form_is_the_mean_over_all_orders(n, n_positives):
    orders = np.array(list(permutations(range(n))))
    tracks = np.full((len(orders), 8), NOTHING)
    tracks[:, :n] = orders
    rows = np.repeat(np.arange(len(orders)), n_positives)
    positives = Ragged.from_pairs(rows, np.tile(np.arange(n_positives), len(orders)), len(orders))
    measured = per_user_metrics(Ranking(tracks, np.zeros(tracks.shape, np.float32)), positives, [1, 3, 5, 8])
    expected = expected_metrics(np.array([n]), np.array([n_positives]), [1, 3, 5, 8], depth=8)
    assert set(expected) == set(measured)
    for name, values in measured.items():
        assert expected[name][0] == pytest.approx(values.mean(), abs=1e-12), name


def test_the_hit_rate_is_the_hypergeometric_one_in_a_catalog_of_1500000_tracks():
    n, p, k = 1_500_000, 300, 100
    expected = expected_metrics(np.array([n]), np.array([p]), [k], depth=1000)
    assert expected["hit_rate@100"][0] == pytest.approx(float(1 - comb(n - p, k) / comb(n, k)), rel=1e-9)
    assert expected["recall@1000"][0] == pytest.approx(1000 / n)
    assert expected["precision@100"][0] == pytest.approx(p / n)


def test_more_positives_than_candidates_are_refused():
    with pytest.raises(ValueError, match="must be a candidate"):
        expected_metrics(np.array([3]), np.array([4]), [10], depth=10)


def test_random_lists_drawn_for_real_score_what_the_closed_form_says():
    n, n_users, excluded, positives = 40, 3000, np.arange(5), np.array([5, 17, 39])
    each_once = Events(np.zeros(n, np.int32), np.arange(n, dtype=np.int32), np.arange(n))
    data = FitData(each_once, count_catalog(each_once, np.zeros(n, np.int32)), n)
    every = np.arange(n_users)
    exclude = Ragged.from_pairs(np.repeat(every, 5), np.tile(excluded, n_users), n_users)
    wanted = Ragged.from_pairs(np.repeat(every, 3), np.tile(positives, n_users), n_users)
    ranking = RandomOrder(seed=1).fit(data).recommend(Histories.of(each_once, every, n), 10, exclude)
    measured = per_user_metrics(ranking, wanted, [10])
    expected = expected_metrics(np.array([n - 5]), np.array([3]), [10], depth=10)
    for name, values in measured.items():
        assert abs(values.mean() - expected[name][0]) < 4 * values.std() / np.sqrt(n_users), name
