import json

import numpy as np
import pytest

from loopback_core.evaluation.evaluator import compare_stages, evaluate_task
from loopback_core.recommenders.baselines.personal import PersonalMostPlayed
from loopback_core.recommenders.baselines.popularity import PopularityPlays
from loopback_core.recommenders.lists import rank_users
from loopback_core.retrieval.top_k import no_ranking
from loopback_core.settings import EvaluationSettings
from loopback_core.tasks.task_builders import discovery, next_listen

# Cut-offs below those that a run insists on: lists of hand-written rows are short.
FEW_USERS = EvaluationSettings.model_construct(ks=[1, 2], min_users=1, resamples=200)


class FixedTowers:
    """Recommends the same track to everyone."""

    def __init__(self, track, name="ranked"):
        self.id, self.track = name, track

    def fit(self, data):
        return self

    def recommend(self, histories, k, exclude):
        ranking = no_ranking(len(histories), k)
        ranking.tracks[:, 0], ranking.scores[:, 0] = self.track, 0.5
        return ranking


def evaluate(splits, settings, others=(), **more):
    task = discovery(splits.testing_period)  # users 0 and 2, positives {1, 4} and {0}
    depth = max(*settings.ks, more.get("depth", 2))
    recommenders = [FixedTowers(1), FixedTowers(1, "two_tower_index"), PopularityPlays().fit(task.fit), *others]
    rankings = [(one.id, rank_users(one, task, depth)) for one in recommenders]
    return evaluate_task(task, [*rankings, ("personal_most_played", None)], settings, **{"depth": 2, **more})


def test_values_are_means_over_users(hand_splits):
    result = evaluate(hand_splits, FEW_USERS)
    assert (len(result.task.users), len(result.task.positives.values)) == (2, 3)
    towers, popular = result.means["ranked"], result.means["popularity_plays"]
    assert towers["hit_rate@1"]["value"] == 0.5
    assert towers["recall@2"]["value"] == 0.25
    assert popular["recall@1"]["value"] == 0.75  # [4, 1] and [0, 4]
    assert popular["recall@2"]["value"] == 1
    assert result.means["random"]["recall@1"]["value"] == pytest.approx((1 / 2 + 1 / 4) / 2)


def test_an_interval_holds_its_value(hand_splits):
    for metrics in evaluate(hand_splits, FEW_USERS).means.values():
        for name, found in (metrics or {}).items():
            if name.startswith(("coverage", "gini")):
                assert found["low"] is found["high"] is None  # no means over users
                continue
            assert found["low"] <= found["value"] + 1e-12
            assert found["high"] >= found["value"] - 1e-12


def test_a_recommender_that_cannot_answer_is_null_and_not_zero(hand_splits):
    found = evaluate(hand_splits, FEW_USERS)
    assert found.means["personal_most_played"] is None
    assert "personal_most_played" not in found.comparisons


def test_the_towers_are_compared_with_every_baseline_and_not_with_themselves(hand_splits):
    paired = evaluate(hand_splits, FEW_USERS).comparisons
    assert set(paired) == {"popularity_plays", "random"}
    assert set(paired["popularity_plays"]["ndcg@2"]) == {
        *("difference", "low", "high", "p", "p_holm", "won", "lost", "tied"),
    }
    recall = paired["popularity_plays"]["recall@1"]  # .5 against .5, 0 against 1
    assert (recall["difference"], recall["won"], recall["lost"], recall["tied"]) == (-0.5, 0, 1, 1)
    assert recall["low"] == -1
    assert recall["high"] == 0


def test_another_preset_is_compared_too_and_changes_no_p_of_a_baseline(hand_splits):
    without = evaluate(hand_splits, FEW_USERS).comparisons
    paired = evaluate(hand_splits, FEW_USERS, [FixedTowers(0, "two_tower:reference")]).comparisons
    compared = paired.pop("two_tower:reference")["recall@1"]  # .5 against 0, 0 against 1
    assert (compared["difference"], compared["won"], compared["lost"], compared["tied"]) == (-0.25, 1, 1, 0)
    assert compared["p_holm"] == compared["p"]
    assert paired == without


def test_stages_are_compared_with_the_one_before(hand_splits):
    others = [FixedTowers(0, "two_tower"), FixedTowers(1, "two_tower_alone")]
    per_user = evaluate(hand_splits, FEW_USERS, others).per_user  # what is served is `two_tower_index` here
    stages = compare_stages(per_user, FEW_USERS)
    assert set(stages) == {"score", "ranker"}
    score = stages["score"]["recall@1"]  # 0 against .5, 1 against 0
    assert (score["difference"], score["won"], score["lost"]) == (0.25, 1, 1)
    assert stages["ranker"]["recall@1"]["tied"] == 2
    del per_user["two_tower_index"]
    assert compare_stages(per_user, FEW_USERS)["ranker"]["recall@1"]["difference"] == -0.25
    assert compare_stages({"ranked": None, "random": per_user["random"]}, FEW_USERS) == {}


def test_too_few_users_leave_values_without_intervals_or_p(hand_splits):
    found = evaluate(hand_splits, EvaluationSettings.model_construct(ks=[1], min_users=3))
    assert found.means["ranked"]["hit_rate@1"] == {"value": 0.5, "low": None, "high": None}
    comparison = found.comparisons["popularity_plays"]["hit_rate@1"]
    assert comparison["difference"] == -0.5
    assert comparison["low"] is comparison["high"] is comparison["p"] is comparison["p_holm"] is None


def test_a_task_without_users_has_counts_and_no_values(hand_splits):
    nothing = hand_splits.test.where(np.zeros(len(hand_splits.test), bool))
    object.__setattr__(hand_splits, "test", nothing)
    found = evaluate(hand_splits, FEW_USERS)
    assert len(found.task.users) == 0
    assert found.means["ranked"]["ndcg@1"] == {"value": None, "low": None, "high": None}
    assert found.comparisons == {}
    assert found.recommendations().is_empty()


def test_results_are_plain_json_and_the_same_every_time(hand_splits):
    first, second = (evaluate(hand_splits, FEW_USERS) for _ in range(2))
    assert json.dumps(first.means, allow_nan=False) == json.dumps(second.means, allow_nan=False)
    assert json.dumps(first.comparisons, allow_nan=False) == json.dumps(second.comparisons, allow_nan=False)


def test_recommendations_list_what_was_shown_and_nothing_else(hand_splits):
    found = evaluate(hand_splits, FEW_USERS).recommendations()
    popular = found.filter(recommender="popularity_plays")
    assert popular.select("user", "rank", "track").rows() == [(0, 1, 4), (0, 2, 1), (2, 1, 0), (2, 2, 4)]
    assert popular["score"].to_list() == [2, 1, 4, 2]
    assert found.filter(recommender="ranked").select("task", "rank", "track", "score").rows() == [
        ("discovery", 1, 1, 0.5),
        ("discovery", 1, 1, 0.5),
    ]


def test_deep_lists_add_recall_for_everyone(hand_splits):
    found = evaluate(hand_splits, FEW_USERS, depth=500).means
    assert found["popularity_plays"]["recall@500"]["value"] == 1
    assert found["random"]["recall@500"]["value"] == pytest.approx(1)


def test_lists_do_not_depend_on_how_many_users_are_ranked_at_once(hand_splits, monkeypatch):
    task = next_listen(hand_splits.testing_period)
    baseline = PersonalMostPlayed().fit(task.fit)
    together = rank_users(baseline, task, 3).tracks.tolist()
    monkeypatch.setattr("loopback_core.recommenders.lists.USERS_PER_BLOCK", 1)
    assert rank_users(baseline, task, 3).tracks.tolist() == together
