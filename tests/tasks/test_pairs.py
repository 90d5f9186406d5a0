import numpy as np
import pytest

from loopback_core.tasks.pairs import Pairs

N_TRACKS = 10


@pytest.fixture
def pairs():
    user, track = np.array([(3, 9), (1, 2), (3, 0), (1, 2), (1, 1)], np.int32).T
    return Pairs.of(user, track, N_TRACKS)


def rows(pairs):
    return list(zip(pairs.user.tolist(), pairs.track.tolist(), strict=True))


def test_pairs_are_distinct_and_sorted_by_user_then_track(pairs):
    assert rows(pairs) == [(1, 1), (1, 2), (3, 0), (3, 9)]
    assert pairs.users.tolist() == [1, 3]


def test_pairs_of_another_log_are_left_out(pairs):
    other = Pairs.of(np.array([1, 3, 4]), np.array([2, 0, 0]), N_TRACKS)
    assert rows(pairs.without(other)) == [(1, 1), (3, 9)]
    nothing = other.where(np.zeros(3, bool))
    assert rows(pairs.without(nothing)) == rows(pairs)
    assert rows(nothing.without(pairs)) == [] and nothing.users.tolist() == []


def test_tracks_by_user_are_numbered_from_the_first_candidate(pairs):
    by_user = pairs.where(pairs.track > 0).by_user(np.array([0, 1, 3]), first_track=1)
    assert [by_user[row].tolist() for row in range(3)] == [[], [0, 1], [8]]
