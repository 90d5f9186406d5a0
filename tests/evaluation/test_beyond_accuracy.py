import numpy as np
import pytest

from loopback_core.data import NOTHING, Ranking
from loopback_core.evaluation.beyond_accuracy import BEYOND_ACCURACY, artist_diversity, beyond_accuracy, gini
from loopback_core.settings import EvaluationSettings
from loopback_core.tasks.task_builders import cold_start, discovery, reference_protocol

SETTINGS = EvaluationSettings.model_construct(ks=[1, 2], min_users=1, resamples=200)


def ranking(*rows):
    tracks = np.array(rows)
    return Ranking(tracks, np.where(tracks == NOTHING, -np.inf, 1.0).astype(np.float32))


def values(lists, task, settings=SETTINGS):
    return {metric: mean["value"] for metric, mean in beyond_accuracy(lists, task, settings).items()}


@pytest.fixture
def task(hand_splits):
    """Users 0 and 2 of four; plays 4 1 1 3 2 of 11, listeners 2 1 1 2 2, positives {1, 4} and {0}."""
    return discovery(hand_splits.testing_period)


def test_every_metric_at_every_k_has_the_value_of_its_formula(task):
    found = values(ranking([4, 1], [0, 4]), task)
    assert found["coverage@1"] == 2 / 5 and found["coverage@2"] == 3 / 5
    assert found["popularity@1"] == pytest.approx(2 / 4)
    assert found["popularity@2"] == pytest.approx(((2 + 1) / 2 + (2 + 2) / 2) / 2 / 4)
    assert found["novelty@1"] == pytest.approx((-np.log2(2 / 11) - np.log2(4 / 11)) / 2)
    # Played: (1 + 2) / 2 listeners by user 0, 2 by user 2.
    assert found["popularity_amplification@1"] == pytest.approx(2 / ((1.5 + 2) / 2))
    assert found["artist_diversity@2"] == 1.0  # tracks 0 and 1 are by artist 0, track 4 by artist 1
    assert {metric.partition("@")[0] for metric in found} == set(BEYOND_ACCURACY)


def test_short_lists_count_what_is_there_and_empty_ones_do_not_count(task):
    found = values(ranking([4, NOTHING], [NOTHING, NOTHING]), task)
    assert found["popularity@2"] == pytest.approx(2 / 4)
    assert found["popularity_amplification@2"] == pytest.approx(2 / 1.5)
    assert found["coverage@2"] == 1 / 5


def test_without_a_recommendation_to_any_user_there_are_no_values(task):
    found = values(ranking([NOTHING, NOTHING], [NOTHING, NOTHING]), task)
    assert found["coverage@1"] == 0 and found["gini@1"] is None and found["novelty@1"] is None


def test_means_have_intervals_and_what_is_no_mean_has_none(task):
    found = beyond_accuracy(ranking([4, 1], [0, 4]), task, SETTINGS)
    novelty, amplification = found["novelty@1"], found["popularity_amplification@1"]
    assert novelty["low"] == pytest.approx(-np.log2(4 / 11)) and novelty["high"] == pytest.approx(-np.log2(2 / 11))
    assert amplification["low"] == pytest.approx(1) and amplification["high"] == pytest.approx(2 / 1.5)
    assert found["coverage@1"]["low"] is None and found["gini@1"]["high"] is None
    few = EvaluationSettings.model_construct(ks=[1], min_users=3, resamples=200)
    assert beyond_accuracy(ranking([4], [0]), task, few)["novelty@1"]["low"] is None


def test_tracks_without_plays_have_no_novelty_and_without_any_played_track_there_is_no_popularity(hand_splits):
    leaking = values(ranking([5, 1], [0, 5]), reference_protocol(hand_splits.testing_period))
    assert "novelty@1" not in leaking
    assert leaking["popularity@1"] == pytest.approx((0 + 2 / 3) / 2)  # of the three users of train
    cold = values(ranking([0, NOTHING], [0, NOTHING]), cold_start(hand_splits.testing_period))
    assert set(cold) == {f"{m}@{k}" for m in ("coverage", "gini", "artist_diversity") for k in (1, 2)}
    assert cold["coverage@1"] == 1


def test_gini_is_zero_when_all_are_shown_alike_and_nears_one_when_always_one_is():
    assert gini(np.array([3, 3, 3, 3])) == pytest.approx(0)
    assert gini(np.array([0, 0, 0, 8])) == pytest.approx(3 / 4)
    counts = np.array([5, 0, 1, 2, 0, 9])
    pairs = np.abs(counts[:, None] - counts).sum() / (2 * len(counts) ** 2 * counts.mean())
    assert gini(counts) == pytest.approx(pairs)


def test_diversity_is_the_share_of_pairs_by_different_artists():
    artist = np.array([0, 0, 0, 1], np.int32)
    lists = np.array([[0, 1, 3], [0, 1, 2], [3, NOTHING, NOTHING], [0, 3, NOTHING]])
    assert artist_diversity(lists, artist).tolist() == pytest.approx([2 / 3, 0, 1, 1])
