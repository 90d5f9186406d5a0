import numpy as np
import pytest
from planted_log import planted_splits
from scipy.stats import binom, hypergeom, poisson_binom

from loopback_core.data import NOTHING, Ranking
from loopback_core.evaluation import calibration
from loopback_core.evaluation.calibration import calibrate, exact_test, hits_of_random_lists
from loopback_core.recommenders.baselines.random_order import RandomOrder
from loopback_core.settings import EvaluationSettings
from loopback_core.tasks.task_builders import cold_start, discovery, next_listen


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    splits = planted_splits(tmp_path_factory.mktemp("planted"))
    return [build(splits.testing_period) for build in (discovery, next_listen, cold_start)]


@pytest.mark.parametrize("observed", [0, 3, 7, 20])
def test_lists_with_a_hit_are_a_poisson_binomial_count(observed):
    p = np.array([0.1, 0.25, 0.02, 0.4])
    found = exact_test(np.stack([1 - p, p], axis=1), repeats=5, observed=observed, level=1e-3)
    exact = poisson_binom(np.tile(p, 5))
    assert found["expected"] == pytest.approx(5 * p.sum())
    assert found["p"] == pytest.approx(min(1, 2 * min(exact.cdf(observed), exact.sf(observed - 1))), abs=1e-9)
    assert (found["low"], found["high"]) == (exact.ppf(5e-4), exact.ppf(1 - 5e-4))


def test_hits_are_a_sum_of_hypergeometric_counts():
    chances = np.stack([hypergeom.pmf(np.arange(4), 20, 5, 3), hypergeom.pmf(np.arange(4), 9, 8, 3)])
    found = exact_test(chances, repeats=1, observed=1, level=0.1)
    convolved = np.convolve(chances[0], chances[1])
    assert found["p"] == pytest.approx(2 * convolved[:2].sum(), abs=1e-12)
    assert found["expected"] == pytest.approx(3 * 5 / 20 + 3 * 8 / 9)


@pytest.mark.parametrize("k", [1, 5, 100])
def test_the_hits_of_random_lists_are_hypergeometric(k):
    N = np.array([1_400_000, 1_400_000, 40, 40, 40, 7, 3])
    P = np.array([1, 3000, 10, 39, 40, 7, 1])  # more than can be missed, and more than the list is long
    expected = hypergeom.pmf(np.arange(k + 1), N[:, None], P[:, None], np.minimum(k, N)[:, None])
    assert hits_of_random_lists(N, P, k) == pytest.approx(expected, rel=1e-7, abs=1e-300)


def test_a_large_count_is_tested_in_a_window_around_its_mean():
    chances = np.full((200, 2), 0.5)
    for observed in (49_500, 50_000, 50_600):
        found = exact_test(chances, repeats=500, observed=observed, level=1e-4)
        exact = binom(100_000, 0.5)
        assert found["p"] == pytest.approx(min(1, 2 * min(exact.cdf(observed), exact.sf(observed - 1))), abs=1e-9)
        assert (found["low"], found["high"]) == (exact.ppf(5e-5), exact.ppf(1 - 5e-5))


def test_a_certain_count_has_p_one_and_an_impossible_one_zero():
    always = np.array([[0.0, 1.0]])
    assert exact_test(always, 10, 10, 1e-4)["p"] == 1
    assert exact_test(always, 10, 9, 1e-4)["p"] == pytest.approx(0, abs=1e-12)


def test_the_random_recommender_agrees_with_its_closed_form_where_the_catalog_is_asked_for(tasks):
    found = calibrate(tasks, EvaluationSettings())
    assert set(found["tasks"]) == {"discovery", "next_listen"}  # in cold_start the candidates are others
    assert found["tests"] == 12 and found["smallest_p"] > found["threshold"]
    for tests in found["tasks"].values():
        for test in tests.values():
            assert test["low"] <= test["observed"] <= test["high"]
            assert test["trials"] == 60 * 20


def test_a_recommender_that_prefers_some_tracks_fails_the_exact_test(tasks, monkeypatch):
    class Biased(RandomOrder):
        def recommend(self, histories, k, exclude):
            found = super().recommend(histories, 2 * k, exclude)  # the lower half of the ids comes first
            order = np.argsort(found.tracks % 200 >= 100, axis=1, kind="stable")[:, :k]
            return Ranking(np.take_along_axis(found.tracks, order, 1), np.take_along_axis(found.scores, order, 1))

    assert calibrate(tasks, EvaluationSettings())["smallest_p"] >= 1e-4
    monkeypatch.setattr(calibration, "RandomOrder", Biased)
    unequal = [task for task in tasks if task.name == "next_listen"]
    users = unequal[0].positives
    assert (users.values < 100).mean() != pytest.approx(0.5, abs=0.01)  # so that the bias can be seen
    assert calibrate(unequal, EvaluationSettings())["smallest_p"] < 1e-4


def test_metrics_that_ignore_half_of_the_list_fail_the_exact_test(tasks, monkeypatch):
    measure = calibration.per_user_metrics

    def of_every_other_rank(ranking, positives, ks):
        seen = np.where(np.arange(ranking.tracks.shape[1]) % 2, NOTHING, ranking.tracks)
        return measure(Ranking(seen, ranking.scores), positives, ks)

    monkeypatch.setattr(calibration, "per_user_metrics", of_every_other_rank)
    assert calibrate(tasks, EvaluationSettings())["smallest_p"] < 1e-4


def test_no_more_lists_are_drawn_than_are_needed(tasks, monkeypatch):
    monkeypatch.setattr(calibration, "MOST_LISTS", 130)
    found = calibrate(tasks[:1], EvaluationSettings())
    assert {test["trials"] for test in found["tasks"]["discovery"].values()} == {120}


def test_without_users_there_are_no_tests_and_p_is_one(tasks):
    found = calibrate(tasks[2:], EvaluationSettings())
    assert (found["tasks"], found["smallest_p"]) == ({}, 1.0)
