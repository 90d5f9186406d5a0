import numpy as np
import polars as pl
import pytest

from loopback_core.data import NOTHING, Ranking
from loopback_core.reporting.example_users import Example, Recommended, example_users, shared_tracks
from loopback_core.tasks.task_builders import discovery

ARTISTS = ["Zero 7", "Zero 7", "Zero 7", "Air", "Air", "Zero 7"]
NAMES = pl.DataFrame({"track": range(6), "artist_name": ARTISTS, "track_name": [f"t{i}" for i in range(6)]})
USERS = pl.DataFrame({"user": range(4), "user_id": ["ann", "bob", "cyd", "dan"]})


def ranking(*rows):
    tracks = np.array(rows, np.int64)
    return Ranking(tracks, np.zeros(tracks.shape, np.float32))


@pytest.fixture
def task(hand_splits):
    """Scored are ann, who played t0 t0 t2 t3, and cyd, who played t3 t3."""
    return discovery(hand_splits.testing_period)


def test_two_users_are_a_light_and_a_heavy_listener_without_a_medium_one(task):
    light, heavy = example_users(task, {}, NAMES, USERS, None, seed=0)
    assert (light.user, light.kind, light.listens) == ("cyd", "light", 2)
    assert (heavy.user, heavy.kind, heavy.listens) == ("ann", "heavy", 4)


def test_the_artists_of_the_last_listens_are_listed_most_played_first(task):
    _, ann = example_users(task, {}, NAMES, USERS, None, seed=0)
    assert list(ann.artists) == [("Zero 7", 3), ("Air", 1)]


def test_plays_of_the_artist_are_the_first_reason_with_their_number_and_the_last_day(task):
    _, ann = example_users(task, {"two_tower": ranking([1, 4], [1, 0])}, NAMES, USERS, np.eye(5), seed=0)
    assert ann.lists["two_tower"] == [
        Recommended("Zero 7", "t1", "you played Zero 7 3 times, last on 1970-01-05"),
        Recommended("Air", "t4", "you played Air once, last on 1970-01-11"),
    ]


def test_for_the_towers_the_reason_is_the_nearest_track_of_the_history(task):
    vectors = np.array([[1, 0], [9, 1], [1, 0], [1, 0], [1, 0]], np.float32)  # length is no nearness
    cyd, _ = example_users(task, {"two_tower": ranking([1, 4], [1, NOTHING])}, NAMES, USERS, vectors, seed=0)
    assert cyd.lists["two_tower"] == [Recommended("Zero 7", "t1", "near t3 by Air, which you played 2 times")]


def test_for_a_baseline_the_reason_is_the_listener_who_shares_the_most_tracks(task):
    cyd, _ = example_users(task, {"userknn": ranking([1, 4], [0, 1])}, NAMES, USERS, np.eye(5), seed=0)
    assert [track.reason for track in cyd.lists["userknn"]] == [
        "also played by ann, who shares 1 track with you",
        "no user who plays it shares a track with you",
    ]


def test_lists_of_several_recommenders_stand_side_by_side_and_the_same_seed_chooses_the_same_users(task):
    rankings = {"two_tower": ranking([1, 4], [1, 0]), "recent_artist": ranking([4, 1], [0, 1])}
    first, again = (example_users(task, rankings, NAMES, USERS, np.eye(5), seed=3) for _ in range(2))
    assert first == again
    assert all(isinstance(example, Example) and list(example.lists) == list(rankings) for example in first)


def test_shared_tracks_counts_each_track_once(hand_splits):
    events = hand_splits.testing.events
    assert shared_tracks(np.array([0, 0, 3]), events, 4).tolist() == [2, 1, 1, 0]
