from dataclasses import replace

import numpy as np
import pytest
from planted_log import planted_splits

from loopback_core.data import SECONDS_PER_DAY
from loopback_core.tasks.rolling import ROLLING_TASKS, RollingTask, rolling_tasks
from loopback_core.tasks.task_builders import TASKS, discovery

MOMENTS = 4


@pytest.fixture(scope="module")
def period(tmp_path_factory):
    return planted_splits(tmp_path_factory.mktemp("planted")).testing_period


def rows(ragged):
    return [ragged[row].tolist() for row in range(len(ragged))]


@pytest.mark.parametrize("name", ROLLING_TASKS)
def test_a_moment_is_the_task_of_the_rest_of_the_period_for_the_users_asked(period, name):
    rolling = RollingTask(TASKS[name](period).sampled(20, 3), period, MOMENTS)
    asked = rolling.at(0).users
    assert len(rolling) == MOMENTS and len(asked) == 20
    for moment in range(MOMENTS):
        later = period.after(moment / MOMENTS)
        expected, task = TASKS[name](replace(later, users=asked)), rolling.at(moment)
        assert task.users.tolist() == expected.users.tolist()
        assert rows(task.positives) == rows(expected.positives)
        assert rows(task.histories.tracks) == rows(expected.histories.tracks)
        assert task.histories.timestamps.tolist() == expected.histories.timestamps.tolist()
        assert task.histories.now.tolist() == expected.histories.now.tolist()
        if expected.exclude is not None:
            assert rows(task.exclude) == rows(expected.exclude)
        assert task.fit is period.fit  # models are frozen


@pytest.mark.parametrize("name", ROLLING_TASKS)
def test_what_is_played_after_a_moment_changes_nothing_that_is_known_at_it(period, name):
    start = len(period.held_out) // 2
    track = period.held_out.track.copy()
    track[start:] = np.random.default_rng(0).permutation(track[start:])
    # The same users stay asked: each keeps the listens before the moment.
    other = replace(period, held_out=replace(period.held_out, track=track))
    one, changed = (RollingTask(TASKS[name](of).sampled(60, 0), of, 2).at(1) for of in (period, other))
    both = np.intersect1d(one.users, changed.users)
    assert len(both) > 30
    known = []
    for task in (one, changed):
        of = np.searchsorted(task.users, both)
        histories = task.histories.take(of)
        exclude = [] if task.exclude is None else rows(task.exclude.take(of))
        known.append((rows(histories.tracks), histories.timestamps.tolist(), histories.now.tolist(), exclude))
    assert known[0] == known[1]


def test_near_positives_are_played_within_the_horizon(hand_splits):
    """Test, by (user, track, day): (0, 1, 20), (0, 4, 21), (0, 0, 22), (0, 5, 23), (1, 0, 24), (2, 3, 25), (2, 0, 26), …

    Tracks below 5 are the catalog; user 0 knows 0, 2 and 3; user 1 knows 0, 1 and 4; user 2 knows 3.
    """
    period = hand_splits.testing_period
    new, anything = rolling_tasks({name: TASKS[name](period) for name in ROLLING_TASKS}, period, 3, 10, 0).values()
    assert new.starts == [0, 3, 6]
    # Known at the first moment is day 13, so the horizon of 8 days ends with day 21.
    assert new.at(0).users.tolist() == [0, 2]
    assert rows(new.near(0, new.at(0).users, 8.0)) == [[1, 4], []]
    assert rows(new.near(0, new.at(0).users, 7.5)) == [[1], []]
    assert rows(anything.near(0, anything.at(0).users, 8.0)) == [[1, 4], [], []]
    # At the second moment the last known day is 22: day 24 is within two days of it, days 25 and 26 are not.
    second = anything.at(1)
    assert second.users.tolist() == [1, 2] and rows(second.positives) == [[0], [0, 3]]
    assert rows(anything.near(1, second.users, 2.0)) == [[0], []]
    assert rows(anything.near(1, second.users, 3.0)) == [[0], [3]]
    assert rows(anything.near(1, second.users, 1000.0)) == rows(second.positives)
    assert second.histories.now.tolist() == [22 * SECONDS_PER_DAY] * 2


def test_moments_are_asked_only_where_all_users_of_the_period_have_the_same_beginning(period):
    tasks = {name: TASKS[name](period) for name in ROLLING_TASKS}
    assert list(rolling_tasks(tasks, period, 3, 10, 0)) == list(ROLLING_TASKS)
    assert rolling_tasks(tasks, period, 1, 10, 0) == {}
    overlapping = replace(period, fit=replace(period.fit, own_moments=True))
    assert rolling_tasks(tasks, overlapping, 3, 10, 0) == {}
    nobody = {name: task.sampled(0, 0) for name, task in tasks.items()}
    assert rolling_tasks(nobody, period, 3, 10, 0) == {}


def test_the_same_users_are_drawn_for_all_tasks(hand_splits):
    period = hand_splits.testing_period
    tasks = {name: TASKS[name](period) for name in ROLLING_TASKS}
    for seed in range(20):
        drawn = {name: of.at(0).users.tolist() for name, of in rolling_tasks(tasks, period, 3, 2, seed).items()}
        # User 1 plays nothing new.
        assert len(drawn["next_listen"]) == 2 and drawn["discovery"] == [u for u in drawn["next_listen"] if u != 1]


def test_requests_are_the_users_of_every_moment(period):
    rolling = RollingTask(discovery(period).sampled(20, 3), period, MOMENTS)
    tasks = [rolling.at(moment) for moment in range(MOMENTS)]
    assert rolling.requests.users.tolist() == np.concatenate([task.users for task in tasks]).tolist()
    assert np.bincount(rolling.requests.moments).tolist() == [len(task.users) for task in tasks]
