import numpy as np
import pytest

from loopback_core.evaluation.significance import bootstrap_means, compare, holm, percentile_interval, two_sided_p


def test_the_resampled_users_are_the_same_for_every_column_and_every_call():
    values = np.random.default_rng(0).random((30, 1))
    once = bootstrap_means(np.hstack([values, values + 1]), 100, seed=5)
    assert once[:, 1] - once[:, 0] == pytest.approx(np.ones(100))
    assert bootstrap_means(values, 100, seed=5)[:, 0] == pytest.approx(once[:, 0])
    assert not np.allclose(bootstrap_means(values, 100, seed=6)[:, 0], once[:, 0])


def test_users_who_all_agree_leave_no_uncertainty():
    low, high = percentile_interval(bootstrap_means(np.full((25, 1), 0.25), 200, seed=0))
    assert (low[0], high[0]) == (0.25, 0.25)


def test_the_interval_of_400_coin_flips_is_about_two_standard_errors_each_way():
    flips = np.repeat([0.0, 1.0], 200)[:, None]
    low, high = percentile_interval(bootstrap_means(flips, 2000, seed=0))
    assert low[0] == pytest.approx(0.5 - 1.96 * 0.025, abs=0.005)
    assert high[0] == pytest.approx(0.5 + 1.96 * 0.025, abs=0.005)


def test_about_95_of_100_intervals_hold_the_true_mean():
    samples = np.random.default_rng(1).normal(0.3, 0.1, (60, 400))  # 400 experiments of 60 users
    low, high = percentile_interval(bootstrap_means(samples, 500, seed=2))
    assert 0.92 < np.mean((low < 0.3) & (high > 0.3)) < 0.97


def test_many_users_are_resampled_in_pieces_that_each_draw_anew(monkeypatch):
    monkeypatch.setattr("loopback_core.evaluation.significance.CELLS_AT_ONCE", 100)
    means = bootstrap_means(np.random.default_rng(0).random((30, 1)), 50, seed=5)
    assert means.shape == (50, 1)
    assert len(np.unique(means)) == 50


def test_with_one_request_per_user_the_clusters_change_no_bit():
    values = np.random.default_rng(0).random((40, 3))
    assert np.array_equal(bootstrap_means(values, 200, 5, user=np.arange(40) * 7), bootstrap_means(values, 200, seed=5))
    drawn = np.random.default_rng(5).integers(40, size=(200, 40))
    assert bootstrap_means(values, 200, seed=5) == pytest.approx(values[drawn].mean(axis=1))


def test_a_user_is_drawn_with_all_of_their_requests_and_the_mean_is_over_requests():
    values, user = np.array([[1.0], [0.0], [0.0], [1.0]]), np.array([4, 9, 9, 9])
    means = np.unique(bootstrap_means(values, 200, 0, user)).tolist()
    # User 4 twice: 2 of 2; both: 2 of 4; user 9 twice: 2 of 6.
    assert means == pytest.approx([1 / 3, 1 / 2, 1])
    shuffled = np.array([3, 0, 2, 1])
    again = np.unique(bootstrap_means(values[shuffled], 200, 0, user[shuffled])).tolist()
    assert again == pytest.approx(means)


def test_requests_of_one_user_that_are_alike_make_the_interval_no_narrower():
    rng = np.random.default_rng(0)
    of_user, user = rng.normal(size=(50, 1)), np.repeat(np.arange(50), 9)
    width = {}
    for name, values, clusters in (
        ("users", of_user, None),
        ("alike", np.repeat(of_user, 9, axis=0), user),
        ("alike, as if of other users", np.repeat(of_user, 9, axis=0), None),
        ("independent", rng.normal(size=(450, 1)), user),
    ):
        low, high = percentile_interval(bootstrap_means(values, 1000, 1, clusters))
        width[name] = float(high[0] - low[0])
    assert width["alike"] == pytest.approx(width["users"])
    assert width["alike, as if of other users"] == pytest.approx(width["users"] / 3, rel=0.15)
    assert width["independent"] == pytest.approx(width["users"] / 3, rel=0.3)


def test_won_lost_and_tied_count_users_by_the_mean_over_their_requests():
    differences, user = np.array([0.5, -0.25, 0.3, -0.1, -0.2, 0.0, -0.1]), np.array([1, 1, 2, 2, 2, 3, 4])
    (found,) = compare([differences], None, user)
    assert (found["won"], found["lost"], found["tied"]) == (1, 1, 2)
    assert found["difference"] == pytest.approx(0.15 / 7)


def test_p_counts_the_resamples_beyond_zero_twice():
    assert two_sided_p(np.ones(999)) == pytest.approx(2 / 1000)
    assert two_sided_p(np.array([-1.0] * 9 + [1.0] * 90)) == pytest.approx(2 * 10 / 100)
    assert two_sided_p(np.zeros(99)) == 1


def test_holm_multiplies_the_smallest_p_most_and_never_reorders():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1, 1]


def test_a_comparison_counts_users_won_lost_and_tied():
    (found,) = compare([np.array([0.5, -0.25, 0.0, 0.25])], [np.array([0.1, 0.2, 0.3])])
    assert (found["won"], found["lost"], found["tied"]) == (2, 1, 1)
    assert found["difference"] == 0.125
    assert found["low"] == pytest.approx(0.105)
    assert found["high"] == pytest.approx(0.295)
    assert found["p"] == found["p_holm"] == pytest.approx(2 / 4)


def test_without_resamples_a_comparison_has_no_interval_and_no_p():
    (found,) = compare([np.array([1.0, 0.0])], None)
    assert (found["low"], found["high"], found["p"], found["p_holm"]) == (None, None, None, None)
    assert (found["difference"], found["won"]) == (0.5, 1)
