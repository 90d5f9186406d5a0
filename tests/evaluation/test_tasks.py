import numpy as np
import pytest

from loopback_core.evaluation.baselines.baseline import SECONDS_PER_DAY
from loopback_core.evaluation.tasks import TASKS, discovery, next_listen, reference_protocol


def rows(ragged):
    return [ragged[i].tolist() for i in range(len(ragged))]


def test_discovery_asks_for_catalog_tracks_that_the_user_never_played(hand_splits):
    task = discovery(hand_splits, "testing")
    assert task.users.tolist() == [0, 2]  # 1 plays nothing new, 3 is not in train
    assert rows(task.positives) == [[1, 4], [0]]
    assert rows(task.exclude) == [[0, 2, 3], [3]]
    assert task.n_candidates == 5
    assert task.n_candidates_per_user.tolist() == [2, 4]
    assert task.unreachable == pytest.approx(2 / 5)  # of (0,1) (0,4) (0,5) (2,0) (2,5)


def test_discovery_on_validation_knows_train_alone(hand_splits):
    task = discovery(hand_splits, "tuning")
    assert task.users.tolist() == [0]
    assert rows(task.positives) == [[3]]
    assert rows(task.exclude) == [[0, 2]]
    assert task.n_candidates == 4
    assert task.unreachable == pytest.approx(1 / 2)  # of (0,3) (1,4)


def test_next_listen_counts_repeats_and_excludes_nothing(hand_splits):
    task = next_listen(hand_splits, "testing")
    assert task.users.tolist() == [0, 1, 2]
    assert rows(task.positives) == [[0, 1, 4], [0], [0, 3]]
    assert task.exclude is None
    assert task.n_candidates_per_user.tolist() == [5, 5, 5]
    assert task.unreachable == pytest.approx(2 / 8)


def test_the_reference_protocol_fits_on_train_and_offers_the_whole_log(hand_splits):
    task = reference_protocol(hand_splits, "testing")
    assert task.users.tolist() == [0, 2]
    assert rows(task.positives) == [[1, 4, 5], [0, 5]]
    assert rows(task.exclude) == [[0, 2], [3]]
    assert task.candidate_artist.tolist() == [0, 0, 0, 1, 1, 0]
    assert task.n_candidates_per_user.tolist() == [4, 5]
    assert task.fit.catalog.n_tracks == 4
    assert task.unreachable == pytest.approx(3 / 5)


@pytest.mark.parametrize("name", ["discovery", "next_listen"])
@pytest.mark.parametrize(("phase", "n_known"), [("tuning", 4), ("testing", 5)])
def test_a_track_first_played_in_the_held_out_part_is_never_a_candidate(hand_splits, name, phase, n_known):
    task = TASKS[name](hand_splits, phase)
    assert task.n_candidates == task.fit.catalog.n_tracks == n_known
    assert task.positives.values.max() < n_known


def test_histories_end_with_the_fit_data_and_now_is_its_last_moment(hand_splits):
    task = discovery(hand_splits, "testing")
    assert task.histories.now == 13 * SECONDS_PER_DAY
    assert rows(task.histories.tracks) == [[0, 0, 2, 3], [3, 3]]
    assert task.histories.timestamps.tolist() == [day * SECONDS_PER_DAY for day in (0, 1, 4, 10, 5, 6)]
    assert reference_protocol(hand_splits, "testing").histories.now == 6 * SECONDS_PER_DAY


def test_a_task_that_nobody_can_be_scored_in_has_no_users(hand_splits):
    nothing = hand_splits.test.where(np.zeros(len(hand_splits.test), bool))
    object.__setattr__(hand_splits, "test", nothing)
    task = discovery(hand_splits, "testing")
    assert (len(task.users), len(task.positives), len(task.histories), task.unreachable) == (0, 0, 0, 0.0)
