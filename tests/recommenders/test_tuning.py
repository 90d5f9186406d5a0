import json
from typing import ClassVar

import numpy as np
import pytest

from loopback_core.recommenders.baselines import BASELINES
from loopback_core.recommenders.baselines.baseline import Baseline
from loopback_core.recommenders.baselines.popularity import PopularityPlays
from loopback_core.recommenders.baselines.tuning import choose_rival, tune
from loopback_core.retrieval.top_k import no_ranking
from loopback_core.tasks.task_builders import discovery, next_listen


class OneTrack(Baseline):
    id = "one_track"
    grid: ClassVar = {"track": (1, 3, 0)}

    def __init__(self, track=1, seed=0):
        super().__init__(seed)
        self.track = track

    def fit(self, data):
        self.now = data.now
        return self

    def rank(self, histories, k, exclude):
        ranking = no_ranking(len(histories), k)
        ranking.tracks[:, 0] = self.track
        return ranking


def test_the_setting_that_hits_on_validation_is_chosen_and_all_trials_are_kept(hand_splits):
    tuned = tune(OneTrack, [discovery(hand_splits.tuning_period)], seed=0)["discovery"]  # user 0 discovers track 3
    assert tuned.settings == {"track": 3}
    assert json.loads(json.dumps(tuned.as_json())) == {
        "grid": {"track": [1, 3, 0]},
        "settings": {"track": 3},
        "ndcg@10": 1.0,
        "trials": [
            {"settings": {"track": 1}, "ndcg@10": 0.0},
            {"settings": {"track": 3}, "ndcg@10": 1.0},
            {"settings": {"track": 0}, "ndcg@10": 0.0},
        ],
    }


def test_the_choice_is_made_for_each_task_on_its_own(hand_splits):
    # Users 0 and 1 next listen to tracks 3 and {0, 4}; only the latter's track 0 is in the catalog of train.
    tasks = [discovery(hand_splits.tuning_period), next_listen(hand_splits.tuning_period)]
    found = tune(OneTrack, tasks, seed=0)
    assert [trial.score for trial in found["discovery"].trials] == [0.0, 1.0, 0.0]
    tuned = found["next_listen"]
    assert [trial.score for trial in tuned.trials] == [0.0, 0.5, 0.5]
    assert tuned.settings == {"track": 3}  # of equals the first


def test_moments_of_a_task_count_by_their_requests_and_are_asked_of_one_fit(hand_splits):
    period = hand_splits.tuning_period
    moments = [next_listen(period), next_listen(period.after(0.25))]
    # Of users 0 and 1, who play track 3 and track 0, only user 1 is asked again.
    tuned = tune(OneTrack, moments, seed=0)["next_listen"]
    assert [len(task.users) for task in moments] == [2, 1]
    assert [trial.score for trial in tuned.trials] == pytest.approx([0, 1 / 3, 2 / 3])
    assert tuned.settings == {"track": 0}


class TwoSettings(Baseline):
    """Finds the track of user 0 only at (2, 3); its fits are counted."""

    id = "two_settings"
    grid: ClassVar = {"first": (1, 2), "second": (1, 3, 5)}
    fits: ClassVar[list[tuple[int, int]]] = []

    def __init__(self, first=1, second=1, seed=0):
        super().__init__(seed)
        self.chosen = first, second

    def fit(self, data):
        self.fits.append(self.chosen)
        return self

    def rank(self, histories, k, exclude):
        ranking = no_ranking(len(histories), k)
        place = {(2, 3): 0, (1, 3): 1}.get(self.chosen, 2)
        ranking.tracks[:, place] = 3
        return ranking


def test_settings_are_searched_one_at_a_time_and_again_with_the_best_of_the_later_ones(hand_splits):
    TwoSettings.fits.clear()
    tasks = [discovery(hand_splits.tuning_period), next_listen(hand_splits.tuning_period)]
    tuned = tune(TwoSettings, tasks, seed=0)["discovery"]
    # From (1, 1): `first` tells nothing, `second` is better at 3, and with 3 `first` is better at 2.
    assert tuned.settings == {"first": 2, "second": 3}
    assert TwoSettings.fits == [(1, 1), (2, 1), (1, 3), (1, 5), (2, 3), (2, 5)]  # once each, for both tasks


def test_no_more_settings_are_tried_than_asked_for_and_every_task_takes_the_best_of_them(hand_splits):
    TwoSettings.fits.clear()
    tasks = [discovery(hand_splits.tuning_period), next_listen(hand_splits.tuning_period)]
    found = tune(TwoSettings, tasks, seed=0, most=3)
    assert TwoSettings.fits == [(1, 1), (2, 1), (1, 3)]
    for tuned in found.values():
        assert tuned.settings == {"first": 1, "second": 3}
        assert [trial.settings["second"] for trial in tuned.trials] == [1, 1, 3]


def test_what_fitting_does_not_read_is_changed_without_fitting_again(hand_splits, monkeypatch):
    tasks = [discovery(hand_splits.tuning_period), next_listen(hand_splits.tuning_period)]
    expected = tune(TwoSettings, tasks, seed=0)["discovery"]

    class Cheap(TwoSettings):
        ranking_only = frozenset({"second"})
        fits: ClassVar[list[tuple[int, int]]] = []

        def __init__(self, first=1, second=1, seed=0):
            super().__init__(first, second, seed)
            self.first, self.second = first, second

        def rank(self, histories, k, exclude):
            self.chosen = self.first, self.second
            return super().rank(histories, k, exclude)

    assert tune(Cheap, tasks, seed=0)["discovery"].trials == expected.trials
    assert Cheap.fits == [(1, 1), (2, 1), (1, 3), (2, 3)]  # again only where `first` is another


@pytest.mark.parametrize("name", [name for name, baseline in BASELINES.items() if baseline.ranking_only])
def test_a_baseline_changed_after_fitting_is_the_one_fitted_with_those_settings(hand_splits, name):
    baseline, task = BASELINES[name], next_listen(hand_splits.testing_period)
    last = {key: values[-1] for key, values in baseline.grid.items()}
    changed = baseline(**{key: value for key, value in last.items() if key not in baseline.ranking_only}).fit(task.fit)
    for key in baseline.ranking_only:
        setattr(changed, key, last[key])
    found, expected = (one.recommend(task.histories, 5, None) for one in (changed, baseline(**last).fit(task.fit)))
    assert found.tracks.tolist() == expected.tracks.tolist() and found.scores.tolist() == expected.scores.tolist()


def test_a_baseline_without_a_grid_is_scored_once(hand_splits):
    tuned = tune(PopularityPlays, [discovery(hand_splits.tuning_period)], seed=0)["discovery"]
    assert tuned.settings == {}
    # Tracks 0 and 2 are excluded; track 3 has two plays and track 1 one.
    assert tuned.score == 1


def test_the_rival_is_the_best_on_validation(hand_splits):
    task = next_listen(hand_splits.tuning_period)
    candidates = [tune(baseline, [task], 0)["next_listen"] for baseline in (OneTrack, PopularityPlays)]
    assert candidates[1].score == pytest.approx((1 / np.log2(3) + 1) / 2)
    assert choose_rival(candidates) == "popularity_plays"


def test_validation_without_a_scored_user_leaves_the_defaults_and_no_rival(hand_splits):
    nothing = hand_splits.validation.where(np.zeros(len(hand_splits.validation), bool))
    object.__setattr__(hand_splits, "validation", nothing)
    tuned = tune(OneTrack, [discovery(hand_splits.tuning_period)], seed=0)["discovery"]
    assert (tuned.settings, tuned.trials, tuned.score) == ({}, [], None)
    assert choose_rival([tuned]) is None
