import numpy as np
import pytest
from scipy.sparse import csr_array

from loopback_core.data import Events, FitData, Histories, Ragged
from loopback_core.errors import ArtifactError
from loopback_core.ranking import track_neighbours
from loopback_core.ranking.heard import Heard
from loopback_core.ranking.related_artists import CONTRAST
from loopback_core.ranking.track_neighbours import DOUBT, HALF_LIVES, NEIGHBOURS_FILE, Neighbours, load_neighbours
from loopback_core.splits.catalog_counts import count_catalog

HOUR = 3_600


@pytest.fixture
def data():
    """One user plays 0 1 2, and hours later 0 1; another one plays 3 0 1."""
    user = np.array([0, 0, 0, 0, 0, 1, 1, 1], np.int32)
    track = np.array([0, 1, 2, 0, 1, 3, 0, 1], np.int32)
    time = np.array([0, 60, 120, 5 * HOUR, 5 * HOUR + 60, 6 * HOUR, 6 * HOUR + 60, 6 * HOUR + 120])
    events = Events(user, track, time)
    return FitData(events, count_catalog(events, np.arange(4, dtype=np.int32)), 7 * HOUR)


def heard_by(data, *rows):
    tracks = Ragged(np.cumsum([0, *map(len, rows)]), np.concatenate([*rows, []]).astype(np.int64))
    times, moments = np.zeros(len(tracks.values), np.int64), np.full(len(rows), data.now)
    return Heard.of(Histories(np.full(len(rows), -1), tracks, times, moments), tracks.values)


def dense(rows):
    return csr_array((rows.data, rows.indices, rows.indptr), (len(rows), len(rows))).toarray()


def test_rules_count_what_came_after_by_its_distance(data):
    rules = dense(Neighbours.learn(data, 10).rules) * (np.array([3, 3, 1, 1]) + DOUBT)[:, None]
    expected = np.zeros((4, 4))
    expected[0, 1] = 3 + 1 / 4  # next to it three times, and from the first 0 to the last 1 of that user
    expected[0, 2] = 1 / 2
    expected[1, 2], expected[1, 0] = 1, 1 / 2
    expected[2, 0], expected[2, 1] = 1, 1 / 2
    expected[3, 0], expected[3, 1] = 1, 1 / 2
    np.testing.assert_allclose(rules, expected, rtol=1e-6)


def test_sessions_are_shared_by_cosine(data):
    sessions = dense(Neighbours.learn(data, 10).sessions)
    of_track = np.array([[1, 1, 0], [1, 1, 0], [1, 0, 0], [0, 0, 1]]) + np.array(
        [[0, 0, 1], [0, 0, 1], [0, 0, 0], [0, 0, 0]]
    )
    root = np.sqrt(of_track.sum(axis=1) + DOUBT)
    expected = of_track @ of_track.T / np.outer(root, root)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(sessions, expected, rtol=1e-6)


def test_no_track_is_its_own_neighbour_and_takes_the_place_of_another(data):
    for most in (1, 2):
        sessions, all_of_them = (dense(Neighbours.learn(data, n).sessions) for n in (most, 10))
        assert not sessions.diagonal().any()
        np.testing.assert_array_equal((sessions > 0).sum(axis=1), np.minimum((all_of_them > 0).sum(axis=1), most))


def test_only_the_strongest_are_kept_and_in_blocks_they_are_the_same(data, monkeypatch):
    whole = Neighbours.learn(data, 2)
    assert np.diff(whole.rules.indptr).max() <= 2 and np.diff(whole.sessions.indptr).max() <= 2
    monkeypatch.setattr(track_neighbours, "PAIRS_AT_ONCE", 1)
    parts = Neighbours.learn(data, 2)
    np.testing.assert_array_equal(dense(whole.rules), dense(parts.rules))
    np.testing.assert_array_equal(dense(whole.sessions), dense(parts.sessions))


def test_the_last_tracks_weigh_most(data):
    learned = Neighbours.learn(data, 10)
    bag = learned.of(heard_by(data, [2, 3], []))
    assert not (bag.row == 1).any()
    for column, half_life in enumerate(HALF_LIVES):
        scores = 0.5 ** (1 / half_life) * dense(learned.rules)[2] + dense(learned.rules)[3]
        expected = np.log1p(CONTRAST * scores / scores.max())
        np.testing.assert_allclose(bag.weights[:, column], expected[bag.items], rtol=1e-5)
    assert set(bag.items.tolist()) == {0, 1}


def test_of_new_tracks_the_largest_are_kept_and_of_known_ones_all(data, monkeypatch):
    monkeypatch.setattr(track_neighbours, "MOST_NEW", 1)
    learned = Neighbours.learn(data, 10)
    bag = learned.of(heard_by(data, [1], [0, 1, 3]))
    assert bag.items[bag.row == 0].tolist() == [0, 2]  # 2 comes after it, 0 shares more sessions
    assert {0, 1} < set(bag.items[bag.row == 1].tolist())


def test_what_is_kept_is_what_is_read(data, tmp_path):
    assert load_neighbours(tmp_path) is None
    learned = Neighbours.learn(data, 10)
    learned.save(tmp_path)
    read = load_neighbours(tmp_path)
    np.testing.assert_array_equal(dense(read.rules), dense(learned.rules))
    np.testing.assert_array_equal(dense(read.sessions), dense(learned.sessions))
    whole = (tmp_path / NEIGHBOURS_FILE).read_bytes()
    (tmp_path / NEIGHBOURS_FILE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArtifactError, match="train the towers again"):
        load_neighbours(tmp_path)
