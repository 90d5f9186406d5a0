import numpy as np
import pytest

from loopback_core.evaluation.rolling_evaluation import (
    NEAR,
    REST,
    ROLLING_METRICS,
    evaluate_moments,
    requests_table,
)
from loopback_core.recommenders.lists import ROLLING_DEPTH
from loopback_core.settings import EvaluationSettings
from loopback_core.tasks.rolling import RollingTask
from loopback_core.tasks.task_builders import next_listen


def always(rolling, *tracks):
    lists = np.full((len(rolling.requests.users), ROLLING_DEPTH), -1)
    lists[:, : len(tracks)] = tracks
    return lists


def test_one_ranking_is_measured_on_the_rest_and_on_the_next_days(hand_splits):
    """Test, by (user, track, day): (0, 1, 20), (0, 4, 21), (0, 0, 22), (0, 5, 23), (1, 0, 24), (2, 3, 25), (2, 0, 26), …"""
    period = hand_splits.testing_period
    rolling = RollingTask(next_listen(period).sampled(10, 0), period, 3)
    found = evaluate_moments(rolling, [("ranked", always(rolling, 0)), ("mute", None)], horizon_days=2.0)
    # At the moments users {0, 1, 2}, {1, 2} and {2} play in the rest {0, 1, 4}, {0}, {0, 3}; {0}, {0, 3}; {0}.
    assert found[REST].requests.users.tolist() == [0, 1, 2, 1, 2, 2]
    assert found[REST].requests.moments.tolist() == [0, 0, 0, 1, 1, 2]
    assert found[REST].per_request["ranked"]["recall@10"] == pytest.approx([1 / 3, 1, 1 / 2, 1, 1 / 2, 1])
    assert found[REST].per_request["ranked"]["hit_rate@10"].tolist() == [1] * 6
    # Within two days: nobody of day 13, user 1 of day 22, user 2 of day 25.
    assert (found[NEAR].requests.users.tolist(), found[NEAR].requests.moments.tolist()) == ([1, 2], [1, 2])
    assert found[NEAR].per_request["ranked"]["ndcg@10"].tolist() == [1, 1]
    assert found[REST].per_request["mute"] is None
    assert set(found[REST].per_request["random"]) == set(ROLLING_METRICS)
    assert evaluate_moments(rolling, [], horizon_days=0.5).keys() == {REST}  # nobody has a positive that near


def test_values_are_means_over_requests_and_users_are_counted_once(hand_splits):
    period = hand_splits.testing_period
    rolling = RollingTask(next_listen(period).sampled(10, 0), period, 3)
    rankings = [("ranked", always(rolling, 0)), ("ease", always(rolling, 3, 0))]
    result = evaluate_moments(rolling, rankings, 2.0)[REST]
    settings = EvaluationSettings(min_users=3, resamples=100)
    found = result.as_json(3, settings)
    assert (found["moments"], found["requests"], found["users"]) == (3, 6, 3)
    value = found["recommenders"]["ranked"]["recall@10"]
    assert value["value"] == pytest.approx((1 / 3 + 1 + 1 / 2 + 1 + 1 / 2 + 1) / 6)
    assert value["low"] < value["value"] < value["high"]
    paired = found["paired"]["ease"]["ndcg@10"]
    assert paired["won"] + paired["lost"] + paired["tied"] == 3
    values = result.per_request["ranked"]["ndcg@10"] - result.per_request["ease"]["ndcg@10"]
    assert paired["difference"] == pytest.approx(values.mean())
    assert set(found["paired"]) == {"ease", "random"}
    ages = found["by_age"]  # at the third moment one user was asked, fewer than say anything
    assert [(age["days"], age["requests"]) for age in ages] == [(0.0, 3)]
    assert result.as_json(3, EvaluationSettings(min_users=1, resamples=100))["by_age"][2]["days"] == 25 - 13
    assert ages[0]["values"]["ranked"] == pytest.approx(result.per_request["ranked"]["ndcg@10"][:3].mean())
    few = result.as_json(3, EvaluationSettings(min_users=4, resamples=100))
    assert few["recommenders"]["ranked"]["recall@10"]["low"] is None  # six requests, but three users


def test_the_table_of_requests_holds_every_value_of_everyone_who_answered(hand_splits):
    period = hand_splits.testing_period
    rolling = RollingTask(next_listen(period).sampled(10, 0), period, 3)
    found = evaluate_moments(rolling, [("ranked", always(rolling, 0)), ("mute", None)], 2.0)
    table = requests_table({"next_listen": found})
    assert len(table) == 2 * 6 + 2 * 2  # two who answered, six requests of the rest and two of the next days
    row = table.filter(task="next_listen", positives="rest", recommender="ranked", user=2, moment=1)
    assert row["recall@10"].to_list() == [0.5]
