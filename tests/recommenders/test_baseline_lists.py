import json
from dataclasses import replace

import numpy as np
import pytest
from planted_log import planted_splits

from loopback_core.errors import ArtifactError, SettingsError
from loopback_core.recommenders.baselines import BASELINES
from loopback_core.recommenders.baselines.baseline_lists import BaselineLists, build_baselines, choose_baselines
from loopback_core.recommenders.lists import DEPTH, ROLLING_DEPTH, rank_users
from loopback_core.settings import EvaluationSettings
from loopback_core.tasks.rolling import RollingTask
from loopback_core.tasks.task_builders import TASKS, discovery, next_listen, reference_protocol

FEW = ["popularity_decayed", "personal_decayed", "recent_artist", "same_artist"]


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return planted_splits(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def built(planted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("baselines")
    summary = build_baselines(planted, EvaluationSettings(baselines=FEW), folder)
    return BaselineLists(folder), summary


def test_each_task_gets_the_lists_of_those_who_answer_it(built):
    lists, _ = built
    assert {task: set(lists.names(task)) for task in TASKS} == {
        "discovery": {"popularity_users", "popularity_decayed", "recent_artist"},
        "next_listen": {"popularity_users", "popularity_decayed", "recent_artist", "personal_decayed"},
        "cold_start": {"same_artist"},
        "new_users": {"popularity_users", "popularity_decayed", "recent_artist", "personal_decayed"},
        "reference_protocol": {"popularity_users", "popularity_decayed"},
    }


def test_the_lists_are_those_of_the_tuned_baseline_fitted_on_train_and_validation(built, planted):
    lists, _ = built
    task = discovery(planted.testing_period)
    tuned = lists.tuning["tuning"]["discovery"]["recent_artist"]
    expected = rank_users(BASELINES["recent_artist"](**tuned["settings"]).fit(planted.testing), task, DEPTH)
    kept = lists.ranking(task, "recent_artist")
    assert np.array_equal(kept.tracks, expected.tracks) and np.array_equal(kept.scores, expected.scores)
    assert dict(lists.rankings(task)).keys() == set(lists.names("discovery"))


def test_the_reference_protocol_is_fitted_on_train_alone(built, planted):
    lists, _ = built
    kept = lists.ranking(reference_protocol(planted.testing_period), "popularity_users")
    assert kept.tracks.max() < planted.tuning.catalog.n_tracks


def test_the_lists_at_moments_are_those_of_the_same_fit_asked_with_longer_histories(built, planted):
    lists, _ = built
    period = planted.testing_period
    settings = EvaluationSettings()
    rolling = RollingTask(next_listen(period).sampled(settings.moment_users, settings.seed), period, settings.moments)
    tuned = lists.tuning["tuning"]["next_listen"]["personal_decayed"]
    fitted = BASELINES["personal_decayed"](**tuned["settings"]).fit(planted.testing)
    expected = [rank_users(fitted, rolling.at(moment), ROLLING_DEPTH).tracks for moment in range(settings.moments)]
    kept = lists.tracks_at_moments(rolling, "personal_decayed")
    assert np.array_equal(kept, np.concatenate(expected))
    assert not np.array_equal(expected[0], expected[4])
    fewer = RollingTask(next_listen(period).sampled(settings.moment_users, settings.seed), period, 3)
    with pytest.raises(ArtifactError, match="are for other users or moments; build the baselines again"):
        lists.tracks_at_moments(fewer, "personal_decayed")


def test_lists_at_a_moment_do_not_read_what_is_played_after_it(built, planted):
    """The last third of test is turned into listens of one other track: the lists of the moments before stay."""
    lists, _ = built
    period, start = planted.testing_period, 2 * len(planted.test) // 3
    track = np.where(np.arange(len(planted.test)) < start, planted.test.track, 0)
    other = replace(period, held_out=replace(planted.test, track=track.astype(np.int32)))
    tuned = lists.tuning["tuning"]["next_listen"]["recent_artist"]
    fitted = BASELINES["recent_artist"](**tuned["settings"]).fit(planted.testing)
    for moment in range(7):  # the seventh of nine moments begins where the change does
        found = []
        for of in (period, other):
            task = RollingTask(next_listen(of), of, 9).at(moment)
            found.append(dict(zip(task.users.tolist(), rank_users(fitted, task, 100).tracks.tolist(), strict=True)))
        assert len(found[0].keys() & found[1].keys()) == 60
        assert all(found[0][user] == found[1][user] for user in found[0])


def test_with_one_moment_nothing_is_asked_again(planted, tmp_path):
    build_baselines(planted, EvaluationSettings(baselines=["popularity_users"], moments=1), tmp_path)
    assert not (tmp_path / "lists_at_moments").exists()


def test_the_grid_the_choice_and_the_trials_are_kept(built):
    lists, _ = built
    tuned = lists.tuning["tuning"]["next_listen"]["personal_decayed"]
    assert tuned["grid"] == {"half_life_days": [3, 7, 14, 30, 60, 120]}
    assert [trial["settings"] for trial in tuned["trials"]] == [
        {"half_life_days": days} for days in (3, 7, 14, 30, 60, 120)
    ]
    assert tuned["settings"] in [trial["settings"] for trial in tuned["trials"]]


def test_rivals_are_the_best_on_validation_and_new_users_take_that_of_next_listen(built):
    lists, summary = built
    rivals = lists.tuning["rival"]
    assert rivals == summary["rival"]
    assert rivals["discovery"] == "recent_artist"
    assert rivals["new_users"] == rivals["next_listen"]


def test_popularity_is_always_measured_and_all_means_all():
    assert [baseline.id for baseline in choose_baselines(["bpr", "ease"])] == ["popularity_users", "bpr", "ease"]
    assert {baseline.id for baseline in choose_baselines(["all"])} == set(BASELINES)


def test_a_baseline_that_does_not_exist_is_named_with_those_that_do():
    with pytest.raises(
        SettingsError, match=r"evaluation.baselines names als; known are 'all', 'popularity_users', .*'ials'"
    ):
        choose_baselines(["als"])


def test_a_baseline_that_the_data_is_too_large_for_is_left_out_with_the_reason(planted, tmp_path, monkeypatch):
    monkeypatch.setattr("loopback_core.recommenders.baselines.ease.LARGEST_INVERSE", 10)
    summary = build_baselines(planted, EvaluationSettings(baselines=["ease"]), tmp_path)
    assert summary["obstacles"] == {
        "ease": "EASE inverts a matrix of users or of tracks, and both 60 and 200 are above 10"
    }
    assert BaselineLists(tmp_path).names("discovery") == ["popularity_users"]
    assert set(json.loads((tmp_path / "tuning.json").read_text())["tuning"]["discovery"]) == {"popularity_users"}


def test_lists_for_other_users_and_damaged_lists_are_refused(built, planted, tmp_path):
    lists, _ = built
    other = discovery(planted.testing_period).sampled(10, seed=0)
    with pytest.raises(ArtifactError, match="are for other users; build the baselines again"):
        lists.ranking(other, "recent_artist")
    (tmp_path / "lists" / "discovery").mkdir(parents=True)
    (tmp_path / "lists" / "discovery" / "ease.npz").write_bytes(b"PK\x03\x04 half")
    with pytest.raises(ArtifactError, match=r"The lists of ease in .* cannot be read"):
        BaselineLists(tmp_path).ranking(discovery(planted.testing_period), "ease")
    with pytest.raises(ArtifactError, match="build them again"):
        BaselineLists(tmp_path / "nowhere").tuning  # noqa: B018
