import numpy as np
import pytest

from loopback_core.data import Events
from loopback_core.recommenders.baselines.baseline import SECONDS_PER_DAY
from loopback_core.tasks.task_builders import TASKS, cold_start, discovery, new_users, next_listen, reference_protocol


def rows(ragged):
    return [ragged[i].tolist() for i in range(len(ragged))]


def test_discovery_asks_for_catalog_tracks_that_the_user_never_played(hand_splits):
    task = discovery(hand_splits.testing_period)
    assert task.users.tolist() == [0, 2]  # 1 plays nothing new, 3 is not in train
    assert rows(task.positives) == [[1, 4], [0]]
    assert rows(task.exclude) == [[0, 2, 3], [3]]
    assert task.n_candidates == 5
    assert task.n_candidates_per_user.tolist() == [2, 4]
    assert task.unreachable == pytest.approx(2 / 5)  # of (0,1) (0,4) (0,5) (2,0) (2,5)


def test_discovery_on_validation_knows_train_alone(hand_splits):
    task = discovery(hand_splits.tuning_period)
    assert task.users.tolist() == [0]
    assert rows(task.positives) == [[3]]
    assert rows(task.exclude) == [[0, 2]]
    assert task.n_candidates == 4
    assert task.unreachable == pytest.approx(1 / 2)  # of (0,3) (1,4)


def test_next_listen_counts_repeats_and_excludes_nothing(hand_splits):
    task = next_listen(hand_splits.testing_period)
    assert task.users.tolist() == [0, 1, 2]
    assert rows(task.positives) == [[0, 1, 4], [0], [0, 3]]
    assert task.exclude is None
    assert task.n_candidates_per_user.tolist() == [5, 5, 5]
    assert task.unreachable == pytest.approx(2 / 8)


def test_the_reference_protocol_fits_on_train_and_offers_the_whole_log(hand_splits):
    task = reference_protocol(hand_splits.testing_period)
    assert task.users.tolist() == [0, 2]
    assert rows(task.positives) == [[1, 4, 5], [0, 5]]
    assert rows(task.exclude) == [[0, 2], [3]]
    assert task.candidate_artist.tolist() == [0, 0, 0, 1, 1, 0]
    assert task.n_candidates_per_user.tolist() == [4, 5]
    assert task.fit.catalog.n_tracks == 4
    assert task.unreachable == pytest.approx(3 / 5)


@pytest.mark.parametrize("name", ["discovery", "next_listen"])
@pytest.mark.parametrize(("period", "n_known"), [("tuning_period", 4), ("testing_period", 5)])
def test_a_track_first_played_in_the_held_out_part_is_never_a_candidate(hand_splits, name, period, n_known):
    task = TASKS[name](getattr(hand_splits, period))
    assert task.n_candidates == task.fit.catalog.n_tracks == n_known
    assert task.positives.values.max() < n_known


def test_histories_end_with_the_fit_data_and_now_is_its_last_moment(hand_splits):
    task = discovery(hand_splits.testing_period)
    assert task.histories.now.tolist() == [13 * SECONDS_PER_DAY] * 2
    assert rows(task.histories.tracks) == [[0, 0, 2, 3], [3, 3]]
    assert task.histories.timestamps.tolist() == [day * SECONDS_PER_DAY for day in (0, 1, 4, 10, 5, 6)]
    assert set(reference_protocol(hand_splits.testing_period).histories.now) == {6 * SECONDS_PER_DAY}


def test_a_period_without_listens_makes_a_task_without_users(hand_splits):
    nothing = hand_splits.test.where(np.zeros(len(hand_splits.test), bool))
    object.__setattr__(hand_splits, "test", nothing)
    task = discovery(hand_splits.testing_period)
    assert (len(task.users), len(task.positives), len(task.histories), task.unreachable) == (0, 0, 0, 0.0)


def test_cold_start_offers_only_what_was_first_heard_in_the_held_out_part(hand_splits):
    task = cold_start(hand_splits.testing_period)
    assert task.users.tolist() == [0, 2]  # 3 plays nothing new, and is not in train
    assert (task.first_candidate, task.n_candidates, task.candidate_artist.tolist()) == (5, 1, [0])
    assert rows(task.positives) == [[0], [0]]  # track 5, the first candidate
    assert rows(task.histories.tracks) == [[0, 0, 2, 3], [3, 3]]  # in the ids of the log
    assert (task.exclude, task.unreachable) == (None, 0.0)


def test_cold_start_on_validation_takes_what_validation_heard_first(hand_splits):
    task = cold_start(hand_splits.tuning_period)
    assert (task.users.tolist(), task.first_candidate, task.n_candidates) == ([1], 4, 1)  # 3 is not in train
    assert rows(task.positives) == [[0]]


def test_without_a_new_track_cold_start_has_no_users(hand_splits):
    object.__setattr__(hand_splits, "test", hand_splits.test.where(hand_splits.test.track < 5))
    task = cold_start(hand_splits.testing_period)
    assert (len(task.users), task.n_candidates, len(task.positives)) == (0, 0, 0)


@pytest.fixture
def strangers(hand_splits):
    """Users 4, 5, 6 are known to test alone; user 3 is known to validation."""
    day = np.array([20, 21, 22, 23, 24, 25, 26, 27, 28])
    user, track = np.array([(4, 0), (5, 1), (4, 5), (4, 3), (4, 3), (4, 0), (6, 2), (5, 5), (3, 0)]).T
    listens = Events(user.astype(np.int32), track.astype(np.int32), day * SECONDS_PER_DAY)
    object.__setattr__(hand_splits, "test", listens)
    return hand_splits


def test_new_users_are_asked_with_the_first_half_of_what_they_play(strangers):
    task = new_users(strangers.testing_period)
    assert task.users.tolist() == [4, 6]  # 5 goes on to play nothing that is in the catalog
    assert rows(task.histories.tracks) == [[0, 5], []]  # half of five, and of one, rounded down
    assert rows(task.positives) == [[0, 3], [2]]  # distinct, and nothing filtered
    assert task.exclude is None and task.n_candidates == 5
    assert task.unreachable == pytest.approx(1 / 4)  # of (4, 3) (4, 0) (5, 5) (6, 2)


def test_a_new_user_asks_at_the_last_moment_of_the_history(strangers):
    task = new_users(strangers.testing_period)
    assert (task.histories.now // SECONDS_PER_DAY).tolist() == [22, 13]  # 13: the end of the fit data
    assert (task.histories.ages // SECONDS_PER_DAY).tolist() == [2, 0]


def test_without_new_users_the_task_has_no_users(hand_splits):
    task = new_users(hand_splits.testing_period)
    assert (len(task.users), len(task.positives), len(task.histories), task.unreachable) == (0, 0, 0, 0.0)


def test_a_sample_of_the_users_keeps_what_belongs_to_them(hand_splits):
    task = discovery(hand_splits.testing_period)
    assert task.sampled(2, seed=0) is task
    one = task.sampled(1, seed=0)
    (row,) = np.flatnonzero(task.users == one.users[0])
    assert rows(one.positives) == [rows(task.positives)[row]]
    assert rows(one.exclude) == [rows(task.exclude)[row]]
    assert rows(one.histories.tracks) == [rows(task.histories.tracks)[row]]
    assert {int(task.sampled(1, seed).users[0]) for seed in range(20)} == {0, 2}
